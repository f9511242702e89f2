//! The checks at the end of a run, before and after a last power cut of everybody.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use commonware_runtime::{Clock as _, deterministic::Context};
use hanse_ledger::{Ledger, World};
use hanse_types::{Digest, Height, Receipt};

use crate::{
    audit::world_digest,
    client::{Answer, End},
    cluster::Cluster,
    prover,
    run::{Counts, LIVENESS, blackout},
    stage::Stage,
};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until every member is up; false when it takes too long.
pub(crate) async fn all_up(context: &Context, stage: &Stage) -> bool {
    let end = context.current() + LIVENESS;
    while context.current() < end {
        if stage.all().is_some_and(|all| all.iter().all(|ledger| ledger.status().ready)) {
            return true;
        }
        context.sleep(LOOK).await;
    }
    false
}

/// Waits until all members stand at one height of at least `least`.
async fn level(context: &Context, cluster: &Cluster, least: Height) -> Option<Vec<Arc<Ledger>>> {
    let stage = &cluster.stage;
    let end = context.current() + LIVENESS;
    while context.current() < end {
        if let Some(all) = stage.all() {
            let heights: Vec<Height> = all.iter().map(|ledger| ledger.tip().height).collect();
            if heights[0] >= least && heights.iter().all(|height| *height == heights[0]) {
                return Some(all);
            }
        }
        context.sleep(LOOK).await;
    }
    let condition = cluster.condition().await;
    stage.found(format!("the members did not level at height {least}: {condition}"));
    None
}

/// All checks, a power cut, all checks again.
pub(crate) async fn give(context: &Context, cluster: &mut Cluster, counts: &mut Counts) {
    let stage = cluster.stage.clone();
    let answers = stage.answers.lock().clone();
    count(&stage, &answers, counts);
    check_expired(&stage, &answers);
    judge(context, cluster, &answers).await;
    blackout(cluster).await;
    if !all_up(context, &stage).await {
        stage.found("the members did not come up after the last power cut");
        return;
    }
    judge(context, cluster, &answers).await;
    let disks = (0..crate::MEMBERS).map(|member| cluster.disk(member).counts().lost);
    counts.lost_writes = disks.sum();
}

fn count(stage: &Stage, answers: &BTreeMap<u32, Vec<Answer>>, counts: &mut Counts) {
    let mut times = Vec::new();
    for answer in answers.values().flatten() {
        match answer.end {
            End::Acknowledged(_) => {
                counts.acknowledged += 1;
                times.push(answer.answered_ms - answer.asked_ms);
            }
            End::Expired => counts.expired += 1,
            End::Unknown | End::Executed => counts.unknown += 1,
        }
    }
    times.sort_unstable();
    counts.median_ms = times.get(times.len() / 2).copied().unwrap_or(0);
    let audit = stage.audit.lock();
    counts.actions = audit.actions;
    counts.certificates = audit.certificates;
}

/// What a member said will never run must not have run.
fn check_expired(stage: &Stage, answers: &BTreeMap<u32, Vec<Answer>>) {
    for answer in answers.values().flatten().filter(|a| a.end == End::Expired) {
        let audit = stage.audit.lock();
        let ran = audit.receipt(&answer.command, 0).is_some()
            || answer.value.is_some_and(|value| audit.has_value(&value));
        drop(audit);
        if ran {
            stage.found(format!("command {} was said to have expired, and ran", answer.command));
        }
    }
    for answer in answers.values().flatten().filter(|a| a.end == End::Executed) {
        if stage.audit.lock().receipt(&answer.command, 0).is_none() {
            stage.found(format!("command {} was said to have run, and did not", answer.command));
        }
    }
}

async fn judge(context: &Context, cluster: &Cluster, answers: &BTreeMap<u32, Vec<Answer>>) {
    let stage = &cluster.stage;
    let receipts: Vec<&Receipt> = answers
        .values()
        .flatten()
        .filter_map(|answer| match &answer.end {
            End::Acknowledged(receipt) => Some(&**receipt),
            End::Expired | End::Unknown | End::Executed => None,
        })
        .collect();
    let least = receipts.iter().map(|receipt| receipt.height).max().unwrap_or(0);
    let Some(ledgers) = level(context, cluster, least).await else {
        return;
    };
    for (member, ledger) in ledgers.iter().enumerate() {
        for receipt in &receipts {
            check_receipt(stage, member, ledger, receipt);
        }
    }
    check_worlds(stage, &ledgers);
    let Some(last) = receipts.iter().max_by_key(|receipt| receipt.height) else {
        stage.found("no client was ever answered");
        return;
    };
    for ledger in &ledgers {
        prover::all(context, stage, ledger, last).await;
    }
}

/// An acknowledged action is where its client was told, on every member.
fn check_receipt(stage: &Stage, member: usize, ledger: &Ledger, receipt: &Receipt) {
    let (command, item, height) = (receipt.command, receipt.item, receipt.height);
    // A member that began with a later state holds what came of the command, and not its receipt.
    let kept = ledger.outcome(&command, item).map(|outcome| outcome.receipt);
    if height >= ledger.oldest() && kept.as_ref() != Some(receipt) {
        stage.found(format!(
            "acknowledged command {command} of height {height} is not at member {member}"
        ));
    }
    let audited = stage.audit.lock().receipt(&command, item).cloned();
    if audited.as_ref() != Some(receipt) {
        stage.found(format!("acknowledged command {command} is not on the audited chain"));
    }
}

/// Members hold the same state, and it is what the events add up to.
fn check_worlds(stage: &Stage, ledgers: &[Arc<Ledger>]) {
    let worlds: Vec<World> = ledgers.iter().map(|ledger| ledger.snapshot().world.clone()).collect();
    let digests: Vec<Digest> = worlds.iter().map(world_digest).collect();
    for (member, digest) in digests.iter().enumerate() {
        if *digest != digests[0] {
            stage.found(format!("member {member} holds another state than member 0"));
        }
    }
    stage.audit.lock().compare(0, &worlds[0]);
}
