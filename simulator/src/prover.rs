//! Asks for proofs and checks them as a stranger would: with the genesis and nothing else.

use std::{sync::Arc, time::Duration};

use commonware_runtime::deterministic::Context;
use hanse_ledger::{Ask, Ledger, ProveError};
use hanse_proof::{Claim, Kind, TrustRoot, verify};
use hanse_types::{Receipt, StateKey, Status};

use crate::stage::{Stage, within};

/// How long a proof may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Whether a proof must be made, or only be right if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Members may be down or cut off.
    Fair,
    /// All is well: every proof must come.
    Strict,
}

/// Asks `ledger` for one proof about `receipt`, chosen by `roll`.
pub(crate) async fn sample(
    context: &Context,
    stage: &Arc<Stage>,
    ledger: &Arc<Ledger>,
    receipt: &Receipt,
    roll: u64,
    patience: Patience,
) {
    let asks = asks(ledger, receipt);
    let pick = usize::try_from(roll % asks.len() as u64).expect("few");
    let (ask, kind) = asks.into_iter().nth(pick).expect("below the length");
    check(context, stage, ledger, (ask, kind), Some(receipt), patience).await;
}

/// Asks for every kind of proof.
pub(crate) async fn all(
    context: &Context,
    stage: &Arc<Stage>,
    ledger: &Arc<Ledger>,
    receipt: &Receipt,
) {
    for pair in asks(ledger, receipt) {
        check(context, stage, ledger, pair, Some(receipt), Patience::Strict).await;
    }
}

fn asks(ledger: &Ledger, receipt: &Receipt) -> Vec<(Ask, Kind)> {
    let ask = Ask::Receipt { command: receipt.command, item: receipt.item };
    let mut asks = vec![(ask, Kind::Receipt)];
    let world = &ledger.snapshot().world;
    let (first, second) = (StateKey::prefix(1, &[]), StateKey::prefix(1, &[crate::work::COMMON]));
    let present = world.prefix(&first).next().map(|(key, _)| key.to_vec());
    let absent = StateKey::Kv { space: crate::work::COMMON, key: b"nobody wrote this" }.encode();
    if let Some(present) = present {
        asks.push((Ask::Lookup { keys: vec![present.clone()] }, Kind::Value));
        let owner = StateKey::Organisation("org1").encode();
        let keys = vec![present, absent.clone(), owner];
        asks.push((Ask::Lookup { keys }, Kind::Image));
    }
    asks.push((Ask::Lookup { keys: vec![absent] }, Kind::Absence));
    let mut end = second.clone();
    end.extend(b"key/0050");
    asks.push((Ask::Range { start: second, end }, Kind::Range));
    if receipt.status == Status::Done {
        let (height, index) = (receipt.height, receipt.index);
        asks.push((Ask::Event { height, index, event: 0 }, Kind::Event));
    }
    asks
}

async fn check(
    context: &Context,
    stage: &Arc<Stage>,
    ledger: &Arc<Ledger>,
    (ask, kind): (Ask, Kind),
    receipt: Option<&Receipt>,
    patience: Patience,
) {
    let told = format!("{ask:?}");
    // Who began with a later state has no receipts from before it.
    let held = receipt.is_none_or(|receipt| receipt.height >= ledger.oldest());
    let strict = patience == Patience::Strict && held;
    let bytes = match within(context, LIMIT, Box::pin(ledger.prove(ask))).await {
        Some(Ok(bytes)) => bytes,
        // A member that restarted may not have caught up with what its client knows.
        Some(Err(ProveError::NotFound | ProveError::Stopped | ProveError::Forgotten { .. }))
        | None
            if !strict =>
        {
            return;
        }
        Some(Err(error)) => return stage.found(format!("no proof for {told}: {error}")),
        None => return stage.found(format!("no proof in time for {told}")),
    };
    let trust = TrustRoot::from_genesis(&stage.genesis);
    match verify(&bytes, &trust) {
        Ok(verified) => {
            let claimed = match &verified.claim {
                Claim::Receipt { receipt, .. } => Some(receipt),
                _ => None,
            };
            if claimed.is_some() && claimed != receipt {
                stage.found(format!("the proof for {told} is of another receipt"));
            }
            if verified.kind != kind {
                stage.found(format!("the proof for {told} is a {:?}", verified.kind));
            }
            stage.proved(kind);
        }
        Err(error) => stage.found(format!("the proof for {told} does not verify: {error}")),
    }
}
