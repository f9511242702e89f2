//! The voter's write-ahead log: real simplex records in a real journal on the log.

use super::support::{Cut, Fuse, Fused, PAGE_SIZE, small, tearing};
use crate::{Config, OneLog};
use commonware_codec::{Encode as _, Read as _};
use commonware_consensus::{
    simplex::{
        scheme::ed25519::{self, Scheme},
        types::{
            Artifact, Finalization, Finalize, Notarization, Notarize, Nullification, Nullify,
            Proposal,
        },
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Hasher as _,
    certificate::{Verifier as _, mocks::Fixture},
    sha256::{Digest, Sha256},
};
use commonware_parallel::Sequential;
use commonware_runtime::{
    ReadOptions, Runner as _, Storage as _, Supervisor as _, buffer::paged::CacheRef, deterministic,
};
use commonware_storage::journal::segmented::variable::{Config as JournalConfig, Journal};
use commonware_utils::{NZUsize, non_empty, sync::Mutex};
use futures::future::{Either, select};
use std::{pin::pin, sync::Arc};

type Item = Artifact<Scheme, Digest>;
type VoterJournal<E> = Journal<OneLog<E>, Item>;

/// The artifacts of one view, in the order in which the voter writes them, in the groups that it
/// syncs together. `true` marks the groups after which a vote is sent.
fn view(schemes: &[Scheme], view: u64) -> Vec<(bool, Vec<Item>)> {
    let round = Round::new(Epoch::new(3), View::new(view));
    let payload = Sha256::hash(&[&view.to_be_bytes()]);
    let proposal = Proposal::new(round, View::new(view.saturating_sub(1)), payload);
    let signed = schemes.iter();
    let notarizes: Vec<Notarize<Scheme, Digest>> =
        signed.clone().map(|key| Notarize::sign(key, proposal.clone()).unwrap()).collect();
    let nullifies: Vec<Nullify<Scheme>> =
        signed.clone().map(|key| Nullify::sign::<Digest>(key, round).unwrap()).collect();
    let finalizes: Vec<Finalize<Scheme, Digest>> =
        signed.map(|key| Finalize::sign(key, proposal.clone()).unwrap()).collect();
    let key = &schemes[0];
    let notarization =
        Notarization::from_notarizes(key, non_empty![@notarizes.iter()], &Sequential).unwrap();
    let nullification =
        Nullification::from_nullifies(key, non_empty![@nullifies.iter()], &Sequential).unwrap();
    let finalization =
        Finalization::from_finalizes(key, non_empty![@finalizes.iter()], &Sequential).unwrap();
    if view.is_multiple_of(5) {
        return vec![
            (true, vec![Artifact::Nullify(nullifies[0].clone())]),
            (false, vec![Artifact::Nullification(nullification)]),
        ];
    }
    vec![
        (true, vec![Artifact::Notarize(notarizes[0].clone())]),
        (false, vec![Artifact::Notarization(notarization)]),
        (
            true,
            vec![Artifact::Certification(round, true), Artifact::Finalize(finalizes[0].clone())],
        ),
        (false, vec![Artifact::Finalization(finalization)]),
    ]
}

fn schemes(context: &mut deterministic::Context) -> Vec<Scheme> {
    let Fixture { schemes, .. } = ed25519::fixture(context, b"hanse", 4);
    schemes
}

fn journal(schemes: &[Scheme]) -> JournalConfig<<Item as commonware_codec::Read>::Cfg> {
    JournalConfig {
        partition: "voter-3".into(),
        compression: None,
        codec_config: schemes[0].certificate_codec_config(),
        page_cache: CacheRef::new(PAGE_SIZE, NZUsize!(16)),
        write_buffer: NZUsize!(1 << 20),
    }
}

fn is_vote(item: &Item) -> bool {
    matches!(item, Artifact::Notarize(_) | Artifact::Nullify(_) | Artifact::Finalize(_))
}

fn number(item: &Item) -> u64 {
    use commonware_consensus::Viewable as _;
    item.view().get()
}

#[test]
fn only_syncs_that_cover_a_vote_are_flushed() {
    deterministic::Runner::default().start(|mut context| async move {
        let schemes = schemes(&mut context);
        // No checkpoint adds flushes of its own.
        let config = Config { checkpoint_bytes: 1 << 30, ..small() };
        let (log, _) = OneLog::open(context, config).await.unwrap();
        let mut voter: VoterJournal<_> =
            Journal::init(log.child("journal"), journal(&schemes)).await.unwrap();
        let mut votes = 0;
        for number in 1..=20 {
            for (vote, items) in view(&schemes, number) {
                let before = log.counters();
                for item in &items {
                    assert_eq!(vote, items.iter().any(is_vote));
                    (voter, _, _) = voter.append(number, item).await.unwrap();
                }
                voter = voter.sync(number).await.unwrap();
                let after = log.counters();
                let flushes = after.flushes - before.flushes;
                assert_eq!(flushes, u64::from(vote), "view {number}, {} items", items.len());
                votes += u64::from(vote);
            }
            let (kept, _) = voter.prune(number.saturating_sub(8)).await.unwrap();
            voter = kept;
        }
        let counters = log.counters();
        assert_eq!(counters.unclassified, 0);
        assert_eq!(counters.vote_syncs, votes);
        assert_eq!(votes, 4 + 16 * 2, "two flushes per finalised view");
    });
}

#[test]
fn another_page_size_costs_flushes_and_nothing_else() {
    deterministic::Runner::default().start(|mut context| async move {
        let schemes = schemes(&mut context);
        let mut config = small();
        config.votes[0].page_size = commonware_utils::NZU16!(500);
        let (log, _) = OneLog::open(context, config).await.unwrap();
        let mut voter: VoterJournal<_> =
            Journal::init(log.child("journal"), journal(&schemes)).await.unwrap();
        for (_, items) in view(&schemes, 1) {
            let before = log.counters().flushes;
            for item in &items {
                (voter, _, _) = voter.append(1, item).await.unwrap();
            }
            voter = voter.sync(1).await.unwrap();
            assert_eq!(log.counters().flushes, before + 1);
        }
        assert_eq!(log.counters().unclassified, 4);
    });
}

#[test]
fn the_kinds_of_artifact_are_the_ones_the_engine_writes() {
    deterministic::Runner::default().start(|mut context| async move {
        let schemes = schemes(&mut context);
        let cfg = schemes[0].certificate_codec_config();
        let items: Vec<Item> = [1, 5]
            .into_iter()
            .flat_map(|number| view(&schemes, number))
            .flat_map(|(_, items)| items)
            .collect();
        let kinds: Vec<u8> = items.iter().map(|item| item.encode()[0]).collect();
        assert_eq!(kinds, [0, 1, 2, 5, 6, 3, 4]);
        for kind in 7..=255u8 {
            let bytes = [kind; 200];
            assert!(
                Item::read_cfg(&mut bytes::Bytes::copy_from_slice(&bytes), &cfg).is_err(),
                "kind {kind} is new"
            );
        }
    });
}

/// What the voter did before power failed.
#[derive(Default)]
struct Done {
    /// All artifacts in the order they were appended.
    appended: Vec<Vec<u8>>,
    /// How many of them had been appended when the last vote was sent.
    sent: usize,
}

/// A voter: appends, syncs, sends. Certificates and another blob ride along.
async fn vote(
    context: Fused,
    schemes: &[Scheme],
    config: Config,
    done: &Mutex<Done>,
) -> Result<(), commonware_storage::journal::Error> {
    let (log, _) = OneLog::open(context, config).await.expect("a fresh log opens");
    let mut voter: VoterJournal<_> = Journal::init(log.child("journal"), journal(schemes)).await?;
    let (cache, _) = log.open("ride-cache", b"blocks").await?;
    for number in 1..=12 {
        let block = vec![number as u8; 3_000];
        let at = (number % 4) * 3_000;
        commonware_runtime::Blob::write_at(&cache, at, block, Default::default()).await?;
        for (vote, items) in view(schemes, number) {
            for item in &items {
                done.lock().appended.push(item.encode().to_vec());
                (voter, _, _) = voter.append(number, item).await?;
            }
            voter = voter.sync(number).await?;
            if vote {
                let mut done = done.lock();
                done.sent = done.appended.len();
            }
        }
    }
    Ok(())
}

/// All artifacts that a restarted voter replays.
async fn replayed(context: deterministic::Context, schemes: &[Scheme]) -> (Vec<Vec<u8>>, u64) {
    let (log, report) = OneLog::open(context, small()).await.unwrap();
    let voter: VoterJournal<_> =
        Journal::init(log.child("journal"), journal(schemes)).await.unwrap();
    let mut replay = voter.replay(0, 0, NZUsize!(1 << 16), ReadOptions::DONT_CACHE).await.unwrap();
    let mut items = Vec::new();
    let mut highest = 0;
    while let Some(item) = replay.next().await {
        let (_, _, _, item) = item.unwrap();
        if is_vote(&item) {
            highest = highest.max(number(&item));
        }
        items.push(item.encode().to_vec());
    }
    let seen = report.votes.get("voter-3").copied().unwrap_or_default();
    assert_eq!(seen.highest_view, highest, "the report names the highest vote");
    (items, report.votes_seen())
}

#[test]
fn wal_crash_at_every_write_point_never_forgets_a_vote() {
    let runner = |seed| {
        deterministic::Runner::new(
            deterministic::Config::default().with_seed(seed).with_storage_fault_config(tearing()),
        )
    };
    // Small enough that the votes also live through checkpoints.
    let config = Config { checkpoint_bytes: 64 << 10, ..small() };
    let run = |seed, fuse: Fuse| {
        let done = Arc::new(Mutex::new(Done::default()));
        let (schemes, cold) = runner(seed).start_and_recover(|mut context| {
            let (done, config) = (done.clone(), config.clone());
            async move {
                let schemes = schemes(&mut context);
                let voting = vote(Fused::new(context, fuse.clone()), &schemes, config, &done);
                if let Either::Left((result, _)) = select(pin!(voting), pin!(fuse.blown())).await {
                    result.unwrap();
                }
                schemes
            }
        });
        (schemes, cold, done)
    };
    let whole = Fuse::default();
    let (_, _, done) = run(1, whole.clone());
    assert_eq!(done.lock().appended.len(), 2 * 2 + 10 * 5);
    assert!(whole.changes() > 30, "{} changes", whole.changes());
    for change in 0..whole.changes() {
        for (seed, cut) in [(1, Cut::Before), (2, Cut::Torn), (3, Cut::Torn), (4, Cut::After)] {
            let (schemes, cold, done) = run(seed, Fuse::at(change, cut));
            let (items, votes) = deterministic::Runner::from(cold)
                .start(|context| async move { replayed(context, &schemes).await });
            let done = done.lock();
            let what = format!("{cut:?} at change {change}");
            assert!(items.len() >= done.sent, "{what}: a sent vote is forgotten");
            assert!(done.appended.starts_with(&items), "{what}: what came back is no prefix");
            let expected = items.iter().filter(|item| matches!(item[0], 0 | 3 | 5)).count();
            assert_eq!(votes, expected as u64, "{what}");
        }
    }
}
