//! What goes wrong, and when.

use std::time::{Duration, SystemTime};

use commonware_runtime::Clock as _;

use crate::{
    MEMBERS,
    cluster::{Cluster, Quality},
    dice::Dice,
    disk::{Loss, Speed},
};

/// A kind of bad day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Scenario {
    /// Nothing goes wrong; an idle stretch comes before the clients, so that empty blocks can be measured.
    Calm,
    /// The network falls apart, also into halves without a quorum.
    Partitions,
    /// Messages get lost.
    Loss,
    /// Messages come late and out of order.
    Delay,
    /// Members crash at some change of their disk, also while they recover.
    Crashes,
    /// All members lose power at once.
    Power,
    /// One member's disk and links are slow.
    Slow,
    /// One member hears and says nothing.
    Silent,
    /// All of it, two at a time.
    Chaos,
    /// One member's disk is put back to an older state, or wiped, while it is cut off: it must not vote again.
    Amnesia,
    /// One member after the other loses its disk, takes over the state of the others, and votes again in a later epoch.
    Wipes,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 11] = [
        Self::Calm,
        Self::Partitions,
        Self::Loss,
        Self::Delay,
        Self::Crashes,
        Self::Power,
        Self::Slow,
        Self::Silent,
        Self::Chaos,
        Self::Amnesia,
        Self::Wipes,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Partitions => "partitions",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::Crashes => "crashes",
            Self::Power => "power",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Chaos => "chaos",
            Self::Amnesia => "amnesia",
            Self::Wipes => "wipes",
        }
    }
}

/// Makes things go wrong until `end`, and mends everything. Returns how many did.
pub(crate) async fn play(
    scenario: Scenario,
    cluster: &mut Cluster,
    dice: &mut Dice,
    end: SystemTime,
) -> u64 {
    let mut faults = 0;
    if scenario == Scenario::Amnesia {
        forget(cluster, dice).await;
        faults += 1;
    }
    while cluster.context.current() < end {
        match scenario {
            Scenario::Calm | Scenario::Amnesia => cluster.sleep(100).await,
            Scenario::Chaos => {
                let pick = Scenario::ALL[usize::try_from(dice.between(1, 7)).expect("small")];
                let crash = dice.chance(400);
                let network = !matches!(pick, Scenario::Crashes | Scenario::Power);
                faults += 1 + u64::from(crash && network);
                begin(pick, cluster, dice).await;
                if crash && network {
                    begin(Scenario::Crashes, cluster, dice).await;
                }
                cluster.sleep(dice.between(500, 5_000)).await;
            }
            other => {
                faults += 1;
                begin(other, cluster, dice).await;
                cluster.sleep(dice.between(500, 6_000)).await;
            }
        }
        mend(cluster).await;
        cluster.sleep(dice.between(200, 3_000)).await;
    }
    faults
}

/// Links good, disks fast, everybody up.
async fn mend(cluster: &mut Cluster) {
    cluster.heal_links().await;
    for member in 0..MEMBERS {
        cluster.disk(member).set_speed(Speed::GOOD);
        if !cluster.is_started(member) {
            cluster.start(member).await;
        }
    }
}

async fn begin(scenario: Scenario, cluster: &mut Cluster, dice: &mut Dice) {
    match scenario {
        Scenario::Calm | Scenario::Chaos | Scenario::Amnesia => {}
        Scenario::Partitions => {
            // Bit i says on which side member i is; 0 and 15 would cut nothing.
            let sides = dice.between(1, 14);
            let side = move |member: usize| sides >> member & 1;
            let cut = |a, b| if side(a) == side(b) { Quality::GOOD } else { Quality::CUT };
            cluster.link(cut).await;
        }
        Scenario::Loss => {
            let arrives = dice.between(700, 970);
            cluster.link(|_, _| Quality { arrives, ..Quality::GOOD }).await;
        }
        Scenario::Delay => {
            let (latency, jitter) = (dice.between(20, 300), dice.between(10, 150));
            cluster.link(|_, _| Quality { latency, jitter, ..Quality::GOOD }).await;
        }
        Scenario::Crashes => crash(cluster, dice).await,
        Scenario::Power => {
            let (first, loss) = (dice.member(), loss(dice));
            let (left, patience) = (dice.below(150), Duration::from_secs(2));
            cluster.crash_at(first, left, patience, loss).await;
            for member in (0..MEMBERS).filter(|m| *m != first) {
                cluster.crash(member, loss).await;
            }
            cluster.sleep(dice.below(2_000)).await;
        }
        Scenario::Wipes => wipe(cluster, dice).await,
        Scenario::Slow => {
            let slow = dice.member();
            cluster.disk(slow).set_speed(Speed::BAD);
            let quality = Quality { latency: 200, jitter: 50, arrives: 980 };
            let pick = |a, b| if a == slow || b == slow { quality } else { Quality::GOOD };
            cluster.link(pick).await;
        }
        Scenario::Silent => {
            let silent = dice.member();
            let pick = |from, _| if from == silent { Quality::CUT } else { Quality::GOOD };
            cluster.link(pick).await;
        }
    }
}

/// One member forgets votes, is alone for a while, and meets the others again. It has to find out before it votes.
async fn forget(cluster: &mut Cluster, dice: &mut Dice) {
    let member = dice.member();
    let earlier = dice.chance(500).then(|| cluster.disk(member).copy());
    cluster.sleep(dice.between(500, 4_000)).await;
    cluster.crash(member, loss(dice)).await;
    cluster.forget(member, earlier.as_ref());
    // Alone, it could vote against what it signed, for hours if need be: nobody answers.
    cluster
        .link(|a, b| if a == member || b == member { Quality::CUT } else { Quality::GOOD })
        .await;
    cluster.start(member).await;
    cluster.sleep(dice.between(6_000, 9_000)).await;
    cluster.heal_links().await;
    cluster.sleep(3_000).await;
    if !cluster.has_refused(member) {
        cluster.stage.found(format!("member {member} has forgotten votes and does not refuse"));
    }
    // It comes back as one that follows.
    cluster.crash(member, Loss::Nothing).await;
    cluster.start(member).await;
}

/// One member loses its disk, and with it its votes: it says so, follows, and is as good as before an epoch later.
async fn wipe(cluster: &mut Cluster, dice: &mut Dice) {
    let member = dice.member();
    cluster.crash(member, loss(dice)).await;
    cluster.forget(member, None);
    cluster.sleep(dice.below(5_000)).await;
    cluster.start(member).await;
    cluster.sleep(500).await;
    if !cluster.has_refused(member) {
        cluster.stage.found(format!("member {member} has lost its disk and does not refuse"));
    }
    cluster.crash(member, Loss::Nothing).await;
    cluster.start(member).await;
    while dice.chance(300) {
        // Also in the middle of taking a state over.
        let (left, what) = (dice.below(300), loss(dice));
        cluster.crash_at(member, left, Duration::from_secs(2), what).await;
        cluster.start(member).await;
    }
    let epoch = cluster.epoch();
    cluster.until_epoch(member, epoch + 2).await;
    // From now on it is a member like any other, and starts like one.
    cluster.trust(member);
    cluster.crash(member, loss(dice)).await;
    cluster.start(member).await;
    let other = (member + 1) % MEMBERS;
    cluster.crash(other, loss(dice)).await;
    cluster.advances(member).await;
    cluster.start(other).await;
}

fn loss(dice: &mut Dice) -> Loss {
    match dice.below(5) {
        0 => Loss::Nothing,
        1 | 2 => Loss::Everything,
        _ => Loss::Torn,
    }
}

/// One member crashes, seldom two; some crash again while they recover.
async fn crash(cluster: &mut Cluster, dice: &mut Dice) {
    let first = dice.member();
    let mut victims = vec![first];
    if dice.chance(200) {
        victims.push((first + 1) % MEMBERS);
    }
    for victim in victims {
        let (left, patience) = (dice.below(200), Duration::from_secs(2));
        let what = loss(dice);
        cluster.crash_at(victim, left, patience, what).await;
        while dice.chance(400) {
            cluster.sleep(dice.below(1_500)).await;
            cluster.start(victim).await;
            let (left, what) = (dice.below(120), loss(dice));
            cluster.crash_at(victim, left, patience, what).await;
        }
    }
}
