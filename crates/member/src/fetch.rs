//! Taking over the state of other members, for one whose disk holds nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use commonware_runtime::{Clock, Spawner};
use commonware_storage::Context;
use futures::future::{Either, select};
use hanse_consensus::Courier;
use hanse_ledger::Base;
use hanse_snapshot::{Answer, Ask, Disk, Listing, Map, SnapshotError, take};
use hanse_state::Settings;
use hanse_types::Genesis;

use crate::snapshots::map_partition;

/// Pause between two questions to everybody who has not answered.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long whoever is not there yet is waited for.
const NOBODY: Duration = Duration::from_secs(10);
/// How long others are waited for once somebody has answered.
const OTHERS: Duration = Duration::from_secs(2);
/// How long a member has to send a chunk.
const CHUNK: Duration = Duration::from_secs(5);
/// Chunks after which it is said how many there are: 32 MiB.
const PROGRESS: usize = 64;
/// Chunks asked for at once: the connection is never idle, and nobody's queue fills.
const WINDOW: usize = 3;
/// So many blocks are not worth a state: they are fetched and executed as fast.
pub(crate) const WORTH_BLOCKS: u64 = 64;

/// A member's key and what it offers.
type Offers = BTreeMap<[u8; 32], Listing>;

/// Asks the `others` for their snapshots, and takes over the newest that holds. `None` if there is none: then the chain is
/// executed from its beginning, as it is below the height `worth`.
///
/// # Errors
/// [`SnapshotError::Disk`]: whatever else is wrong is the other member's fault, and the next one is asked.
pub(crate) async fn fetch<E: Context + Spawner>(
    context: &E,
    (courier, others): (&mut Courier, BTreeSet<[u8; 32]>),
    (disk, worth): (&Disk<E>, u64),
    genesis: &Genesis,
) -> Result<Option<Base>, SnapshotError> {
    let mut offers = offers(context, courier, others).await;
    // Nothing is fetched for a height that no quorum vouches for.
    offers.retain(|from, listing| {
        let proven = listing.manifest.check_proof(genesis);
        let told = proven.inspect_err(|error| {
            tracing::warn!(from = hex(from), %error, "an offered state is not proved");
        });
        told.is_ok()
    });
    while let Some((from, listing)) = best(&mut offers) {
        let height = listing.height();
        if height < worth {
            return Ok(None);
        }
        let map = Map::Import {
            context: context.child("map").with_attribute("from", hex(&from)),
            partition: map_partition(),
            settings: Settings::default(),
        };
        tracing::info!(height, bytes = listing.bytes(), from = hex(&from), "taking over a state");
        let taken = async {
            carry(context, (courier, &from), disk, &listing).await?;
            Box::pin(take(disk.read(listing.clone()), genesis, map)).await
        };
        match taken.await {
            Ok(base) => return Ok(Some(base)),
            Err(SnapshotError::Disk(error)) => return Err(error.into()),
            Err(error) => {
                let error = crate::tree::failure(&error);
                tracing::warn!(height, from = hex(&from), error, "a state was not taken over");
                disk.remove(height).await?;
            }
        }
    }
    Ok(None)
}

/// Removes the newest of them.
fn best(offers: &mut Offers) -> Option<([u8; 32], Listing)> {
    let newest = offers.iter().max_by_key(|(_, listing)| listing.height())?;
    let from = *newest.0;
    offers.remove_entry(&from)
}

/// What members offer, one answer each; ends early when `silent`, the founders, have all answered.
async fn offers<E: Clock>(
    clock: &E,
    courier: &mut Courier,
    mut silent: BTreeSet<[u8; 32]>,
) -> Offers {
    let mut offers = Offers::new();
    let mut answered = BTreeSet::new();
    let mut until = clock.current() + NOBODY;
    while !silent.is_empty() && clock.current() < until {
        // Who is not connected yet is asked again.
        let _sent = courier.send(None, Ask::Offer.encode());
        let next = clock.current() + ASK_EVERY;
        while let Some((from, answer)) = heard(clock, courier, next).await {
            let Answer::Offer { listing, .. } = answer else { continue };
            silent.remove(&from);
            if !answered.insert(from) {
                continue;
            }
            until = until.min(clock.current() + OTHERS);
            if let Some(listing) = listing.and_then(|bytes| Listing::decode(&bytes).ok()) {
                offers.insert(from, listing);
            }
            if silent.is_empty() {
                break;
            }
        }
    }
    offers
}

/// The next answer before `until`.
async fn heard<E: Clock>(
    clock: &E,
    courier: &mut Courier,
    until: std::time::SystemTime,
) -> Option<([u8; 32], Answer)> {
    let timeout = Box::pin(clock.sleep_until(until));
    let answer = Box::pin(async {
        loop {
            let (from, bytes) = courier.next().await?;
            // Questions are not answered by whoever has nothing.
            if let Some(answer) = Answer::decode(&bytes) {
                return Some((from, answer));
            }
        }
    });
    match select(answer, timeout).await {
        Either::Left((heard, _)) => heard,
        Either::Right(_) => None,
    }
}

/// Fetches the data of `listing` from one member.
async fn carry<E: Context>(
    clock: &E,
    (courier, from): (&mut Courier, &[u8; 32]),
    disk: &Disk<E>,
    listing: &Listing,
) -> Result<(), SnapshotError> {
    disk.receive(listing).await?;
    let height = listing.height();
    let all = listing.chunks.len() as u32;
    let (mut next, mut waiting) = (0, BTreeSet::new());
    let mut until = clock.current() + CHUNK;
    loop {
        while waiting.len() < WINDOW && next < all {
            ask(courier, from, height, next);
            waiting.insert(next);
            next += 1;
        }
        let Some(first) = waiting.first().copied() else { return Ok(()) };
        let again = clock.current() + ASK_EVERY * 4;
        let Some((sender, answer)) = heard(clock, courier, again.min(until)).await else {
            if clock.current() >= until {
                return Err(SnapshotError::Chunk(first));
            }
            waiting.iter().for_each(|index| ask(courier, from, height, *index));
            continue;
        };
        let Answer::Chunk { height: of, index, bytes } = answer else { continue };
        if sender != *from || of != height || !waiting.remove(&index) {
            continue;
        }
        let bytes: Bytes = bytes.ok_or(SnapshotError::Chunk(index))?;
        disk.put(listing, index, bytes).await?;
        let done = next as usize - waiting.len();
        if done.is_multiple_of(PROGRESS) {
            tracing::info!(height, chunks = done, of = all, "taking over a state");
        }
        until = clock.current() + CHUNK;
    }
}

fn ask(courier: &mut Courier, from: &[u8; 32], height: u64, index: u32) {
    // What is lost is asked for again.
    let _sent = courier.send(Some(from), Ask::Chunk { height, index }.encode());
}

fn hex(key: &[u8; 32]) -> String {
    hanse_types::Digest(*key).to_string()
}
