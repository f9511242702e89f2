//! Epochs that the trusted members do not sit in, and hand-overs that lead nowhere.

use hanse_proof::ProofError::{
    self, Committee as OtherCommittee, Epoch, EpochHeight, Handover, Quorum, Signature, Signers,
    Superfluous,
};
use hanse_proof::{Claim, Proof};
use hanse_types::Committee;

use super::{List, resign};
use crate::chain::{Chain, LAG, kv, sign};

/// The trust root of everything here: the founders' members, who sit again from epoch 3 to epoch 6.
const TRUST: &str = "epoch-3";

pub(crate) fn add(list: &mut List<'_>) {
    skipped(list);
    below(list);
    heights(list);
    steps(list);
    wrong_next_committees(list);
    replaced_members(list);
}

/// `base` with one change, checked against [`TRUST`].
fn change(
    list: &mut List<'_>,
    name: &str,
    reason: ProofError,
    base: &Proof,
    change: impl FnOnce(&mut Proof),
) {
    let mut proof = base.clone();
    change(&mut proof);
    list.under(TRUST, name, reason, proof.encode());
}

fn state(chain: &Chain, settled: u64, further: u64) -> Proof {
    let claim = Claim::State(chain.item(settled, &kv("key-1")));
    chain.prove_from(3, claim, settled + LAG, further)
}

/// The members of epoch 3, as the committee of `epoch`.
fn members(chain: &Chain, epoch: u64) -> Committee {
    Committee { epoch, members: chain.committees[3].members.clone() }
}

fn skipped(list: &mut List<'_>) {
    let chain = list.chain;
    let base = state(chain, 52, 1);
    for (name, epoch) in [("the-anchor", 3), ("the-epoch-before", 5), ("the-next-epoch", 7)] {
        let name = format!("same-members-but-committee-of-{name}");
        change(list, &name, OtherCommittee, &base, |p| {
            p.headers.truncate(1);
            p.headers[0].committee = members(chain, epoch).digest();
            resign(chain, p);
        });
    }
    for (name, epoch) in [("the-anchor", 3), ("the-next-epoch", 7)] {
        let name = format!("same-members-but-certificate-of-{name}");
        change(list, &name, Epoch, &base, |p| {
            p.finalization = sign(&members(chain, epoch), &p.headers[1], &[0, 1, 2, 3]);
        });
    }
    change(list, "same-members-signed-for-the-anchor", Signature, &base, |p| {
        p.finalization = sign(&members(chain, 3), &p.headers[1], &[0, 1, 2, 3]);
        p.finalization.epoch = 6;
    });
    // Block 39 is the last of epoch 4: it has a certificate of its own, and members do not change after it.
    let across = chain.prove_from(3, chain.receipt(38, 1, true), 39, 1);
    list.under(TRUST, "headers-across-epochs", Epoch, across.encode());
    // Here the second header alone is made to stay in the epoch of the first.
    change(list, "headers-across-epochs-with-one-epoch", EpochHeight, &across, |p| {
        p.headers[1].place.epoch = 4;
        p.headers[1].committee = members(chain, 4).digest();
        resign(chain, p);
    });
}

fn below(list: &mut List<'_>) {
    let chain = list.chain;
    change(list, "same-members-below-the-anchor", Epoch, &list.receipt(), |p| p.anchor_epoch = 3);
    // Members of epochs 7 to 9 sat in epoch 1 as well: trust in them begins with the hand-over.
    let mut early = chain.prove(Claim::State(chain.item(9, &kv("key-1"))), 9 + LAG, 0);
    (early.anchor_epoch, early.handovers) = (3, vec![chain.handover(6)]);
    list.under(TRUST, "same-members-below-the-handover", Epoch, early.encode());
    let mut early = chain.prove(Claim::State(chain.item(20, &kv("key-1"))), 20 + LAG, 0);
    (early.anchor_epoch, early.handovers) = (3, vec![chain.handover(6), chain.handover(1)]);
    list.under(TRUST, "handovers-not-ascending", Epoch, early.encode());
}

fn heights(list: &mut List<'_>) {
    let chain = list.chain;
    let base = state(chain, 36, 0);
    for epoch in [3, 5] {
        change(list, &format!("height-of-epoch-4-in-epoch-{epoch}"), EpochHeight, &base, |p| {
            p.headers[0].place.epoch = epoch;
            p.headers[0].committee = members(chain, epoch).digest();
            resign(chain, p);
        });
    }
    change(list, "height-not-in-its-epoch", EpochHeight, &base, |p| {
        p.headers[0].height = 40;
        resign(chain, p);
    });
    change(list, "handover-height-not-in-its-epoch", EpochHeight, &state(chain, 90, 0), |p| {
        let handover = &mut p.handovers[0];
        // Height 47 ends an epoch, but not epoch 6.
        handover.header.height = 47;
        handover.finalization = sign(&members(chain, 6), &handover.header, &[0, 1, 2, 3]);
    });
}

fn steps(list: &mut List<'_>) {
    let chain = list.chain;
    let skip = state(chain, 52, 0);
    change(list, "handover-superfluous", Superfluous, &skip, |p| {
        p.handovers.push(chain.handover(4));
    });
    change(list, "handovers-superfluous-for-every-epoch", Superfluous, &skip, |p| {
        p.handovers = (3..6).map(|epoch| chain.handover(epoch)).collect();
    });
    let changes = state(chain, 90, 1);
    change(list, "handover-superfluous-before-a-change", Superfluous, &changes, |p| {
        p.handovers.insert(0, chain.handover(5));
    });
    change(list, "handover-superfluous-after-a-change", Superfluous, &changes, |p| {
        p.handovers.insert(1, chain.handover(8));
    });
    change(list, "gap-over-a-change-of-members", OtherCommittee, &changes, |p| {
        p.handovers.remove(0);
    });
    change(list, "gap-after-the-last-handover-over-a-change", OtherCommittee, &changes, |p| {
        p.handovers.pop();
    });
}

fn wrong_next_committees(list: &mut List<'_>) {
    let chain = list.chain;
    let changes = state(chain, 90, 0);
    // The epoch counts from the header that hands over, not from where trust began.
    for (name, epoch) in [("of-the-anchor-s-next-epoch", 4), ("an-epoch-later", 8)] {
        change(list, &format!("next-committee-{name}"), Handover, &changes, |p| {
            let handover = &mut p.handovers[0];
            handover.committee.epoch = epoch;
            handover.header.next_committee = handover.committee.digest();
            handover.finalization = sign(&members(chain, 6), &handover.header, &[0, 1, 2, 3]);
        });
    }
    change(list, "next-committee-not-the-header-s", Handover, &changes, |p| {
        p.handovers[0].committee.members = chain.committees[10].members.clone();
    });
    let claim = Claim::Handover { committee: chain.committees[7].clone() };
    let claimed = chain.prove_from(3, claim, 55, 0);
    change(list, "claimed-committee-of-the-anchor-s-next-epoch", Handover, &claimed, |p| {
        let Claim::Handover { committee } = &mut p.claim else { unreachable!() };
        committee.epoch = 4;
        p.headers[0].next_committee = committee.digest();
        resign(chain, p);
    });
}

fn replaced_members(list: &mut List<'_>) {
    let chain = list.chain;
    let claim = || Claim::State(chain.item(90, &kv("key-1")));
    let ours = chain.prove_from(3, claim(), 90 + LAG, 0);
    change(list, "replaced-members-without-the-handover", OtherCommittee, &ours, |p| {
        p.handovers.clear();
        resign(chain, p);
    });
    let claim = Claim::Handover { committee: chain.committees[9].clone() };
    let five = chain.prove_from(3, claim, 71, 0);
    let old = |rank: &usize| {
        let seat = &chain.committees[8].members[*rank];
        chain.committees[3].members.contains(seat)
    };
    // Three of four were a quorum; of five, four are needed.
    let ranks: Vec<usize> = (0..5).filter(old).take(3).collect();
    change(list, "quorum-of-the-replaced-members", Quorum, &five, |p| {
        p.finalization = chain.certify(&p.headers[0], &ranks);
    });
    change(list, "replaced-members-vote-as-if-they-sat", Signers, &five, |p| {
        p.finalization = sign(&members(chain, 8), &p.headers[0], &[0, 1, 2]);
        p.finalization.signers = vec![0b0010_0111];
    });
}
