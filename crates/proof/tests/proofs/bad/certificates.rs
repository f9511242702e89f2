//! Headers, certificates, hand-overs and trust roots that do not fit together.

use hanse_proof::ProofError::{
    AnchorEpoch, Chain as OtherChain, Committee as OtherCommittee, Epoch, EpochHeight, Handover,
    HeaderVersion, Height, Parent, Pinned, Quorum, Signature, Signers, Stale, State, StateVersion,
};
use hanse_proof::{Claim, namespace};
use hanse_types::Digest;

use super::{List, resign};
use crate::chain::{EPOCH, LAG, kv, signature};

pub(crate) fn add(list: &mut List<'_>) {
    headers(list);
    links(list);
    signers(list);
    signatures(list);
    other_votes(list);
    handovers(list);
    anchors(list);
}

type Change = fn(&mut hanse_types::Header);

fn headers(list: &mut List<'_>) {
    let receipt = list.receipt();
    let descendant = list.descendant();
    let fields: [(&str, Change); 8] = [
        ("receipt-root", |h| h.receipt_root = Digest([7; 32])),
        ("event-root", |h| h.event_root = Digest([7; 32])),
        ("state-root", |h| h.state_root = Digest([7; 32])),
        ("time", |h| h.timestamp_ms += 1),
        ("settled-height", |h| h.settled_height += 1),
        ("body-root", |h| h.body_root = Digest([7; 32])),
        ("history-root", |h| h.history_root = Digest([7; 32])),
        ("next-committee", |h| h.next_committee = Digest([7; 32])),
    ];
    for (name, change) in fields {
        list.change(&format!("header-{name}-changed"), Signature, &receipt, |p| {
            change(&mut p.headers[0])
        });
        list.change(&format!("ancestor-{name}-changed"), Parent, &descendant, |p| {
            change(&mut p.headers[0])
        });
    }
}

fn links(list: &mut List<'_>) {
    let receipt = list.receipt();
    let descendant = list.descendant();
    let chain = list.chain;
    list.change("header-left-out", Parent, &descendant, |p| {
        p.headers.remove(1);
    });
    list.change("headers-backwards", Parent, &descendant, |p| p.headers.reverse());
    list.change("header-twice", Parent, &descendant, |p| p.headers.insert(1, p.headers[0].clone()));
    list.change("certified-header-left-out", Signature, &descendant, |p| {
        p.headers.pop();
    });
    list.change("height-skipped", Height, &descendant, |p| {
        p.headers.pop();
        p.headers.last_mut().unwrap().height += 1;
        resign(chain, p);
    });
    // No epoch holds both heights, so that none has to be added to the last one there is.
    list.change("height-overflow", EpochHeight, &descendant, |p| {
        p.headers.truncate(2);
        p.headers[0].height = u64::MAX;
        p.headers[1].height = 0;
        p.headers[1].parent = p.headers[0].digest();
        resign(chain, p);
    });
    list.change("header-version-2", HeaderVersion, &receipt, |p| {
        p.headers[0].version = 2;
        resign(chain, p);
    });
    list.change("state-version-2", StateVersion, &list.value(), |p| {
        p.headers[0].state_version = 2;
        resign(chain, p);
    });
    list.change("header-of-another-chain", OtherChain, &receipt, |p| {
        p.headers[0].chain_id = Digest([1; 32]);
        resign(chain, p);
    });
    list.change("header-of-another-epoch", EpochHeight, &receipt, |p| {
        p.headers[0].place.epoch = 1;
        resign(chain, p);
    });
    list.change("header-names-another-committee", OtherCommittee, &receipt, |p| {
        p.headers[0].committee = p.headers[0].next_committee;
        resign(chain, p);
    });
    list.change("root-of-another-height", State, &list.value(), |p| {
        p.headers[0] = chain.headers[5].clone();
        resign(chain, p);
    });
}

fn signers(list: &mut List<'_>) {
    let receipt = list.receipt();
    let chain = list.chain;
    list.change("bitmap-empty", Signers, &receipt, |p| p.finalization.signers.clear());
    list.change("bitmap-too-long", Signers, &receipt, |p| p.finalization.signers.push(0));
    list.change("bitmap-names-a-fifth-of-four", Signers, &receipt, |p| {
        p.finalization.signers[0] |= 1 << 4
    });
    list.change("bitmap-names-one-more", Signers, &receipt, |p| p.finalization.signers[0] = 0b1111);
    list.change("signature-missing", Signers, &receipt, |p| {
        p.finalization.signatures.pop();
    });
    list.change("signature-added", Signers, &receipt, |p| p.finalization.signatures.push([1; 64]));
    for signed in 0..3 {
        list.change(&format!("signed-by-{signed}-of-4"), Quorum, &receipt, |p| {
            let ranks: Vec<usize> = (0..signed).collect();
            p.finalization = chain.certify(&p.headers[0], &ranks);
        });
    }
    let fifth = chain.prove(Claim::State(chain.item(13, &kv("key-1"))), 13 + LAG, 0);
    list.change("signed-by-3-of-5", Quorum, &fifth, |p| {
        p.finalization = chain.certify(&p.headers[0], &[0, 2, 4]);
    });
    let seventh = chain.prove(Claim::State(chain.item(20, &kv("key-1"))), 20 + LAG, 0);
    list.change("signed-by-4-of-7", Quorum, &seventh, |p| {
        p.finalization = chain.certify(&p.headers[0], &[0, 2, 4, 6]);
    });
    list.change("descendant-signed-by-2-of-4", Quorum, &list.descendant(), |p| {
        p.finalization = chain.certify(p.headers.last().unwrap(), &[1, 3]);
    });
}

fn signatures(list: &mut List<'_>) {
    let receipt = list.receipt();
    let chain = list.chain;
    let payload = receipt.headers[0].digest();
    list.change("one-member-signs-for-three", Signature, &receipt, |p| {
        p.finalization.signatures = vec![p.finalization.signatures[0]; 3];
    });
    list.change("signatures-swapped", Signature, &receipt, |p| {
        p.finalization.signatures.swap(0, 1)
    });
    list.change("signature-of-zeros", Signature, &receipt, |p| {
        p.finalization.signatures[2] = [0; 64]
    });
    list.change("signature-of-a-stranger", Signature, &receipt, |p| {
        let message = p.finalization.message(&p.chain_id, &payload);
        p.finalization.signatures[0] =
            signature(chain.committees[2].members[6].consensus, &message);
    });
    list.change("bitmap-shifted", Signature, &receipt, |p| p.finalization.signers[0] = 0b0111);
    list.change("signature-for-the-parent", Signature, &receipt, |p| {
        p.finalization.signatures = chain.certify(&chain.headers[5], &chain.quorum(0)).signatures;
    });
    list.change("another-view", Signature, &receipt, |p| p.finalization.view += 1);
    list.change("another-parent-view", Signature, &receipt, |p| p.finalization.parent_view += 1);
}

fn other_votes(list: &mut List<'_>) {
    let receipt = list.receipt();
    let chain = list.chain;
    let payload = receipt.headers[0].digest();
    let members = &chain.committees[0].members;
    let quorum = chain.quorum(0);
    let keys: Vec<[u8; 32]> = quorum.iter().map(|rank| members[*rank].consensus).collect();
    let suffixes: [(&str, &[u8]); 4] = [
        ("notarize-vote", b"_NOTARIZE"),
        ("nullify-vote", b"_NULLIFY"),
        ("vote-without-suffix", b""),
        ("vote-of-another-chain", b"_FINALIZE"),
    ];
    for (name, suffix) in suffixes {
        list.change(name, Signature, &receipt, |p| {
            let other = Digest([3; 32]);
            let id = if name == "vote-of-another-chain" { &other } else { &p.chain_id };
            let space = [namespace(id), suffix.to_vec()].concat();
            let honest = p.finalization.message(&p.chain_id, &payload);
            // The proposal comes after one byte of length and 47 of namespace.
            let message = [&[space.len() as u8], &space[..], &honest[48..]].concat();
            p.finalization.signatures = keys.iter().map(|k| signature(*k, &message)).collect();
        });
    }
    list.change("signature-with-s-above-the-order", Signature, &receipt, |p| {
        // 2^252 + 27742317777372353535851937790883648493, little-endian.
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0;
        for (byte, add) in p.finalization.signatures[0][32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
    });
    list.change("finalization-of-another-epoch", Epoch, &receipt, |p| p.finalization.epoch = 1);
}

fn handovers(list: &mut List<'_>) {
    let chain = list.chain;
    let proof = chain.prove(Claim::State(chain.item(20, &kv("key-1"))), 20 + LAG, 0);
    list.change("handover-missing", OtherCommittee, &proof, |p| drop(p.handovers.pop()));
    list.change("first-handover-missing", OtherCommittee, &proof, |p| drop(p.handovers.remove(0)));
    list.change("handovers-swapped", OtherCommittee, &proof, |p| p.handovers.swap(0, 1));
    list.change("handover-twice", Epoch, &proof, |p| p.handovers.insert(0, p.handovers[0].clone()));
    list.change("handover-to-strangers", Handover, &proof, |p| {
        p.handovers[0].committee.members.truncate(4);
    });
    list.change("handover-to-another-epoch", Handover, &proof, |p| {
        p.handovers[0].committee.epoch = 7;
    });
    list.change("handover-to-unsorted-members", Handover, &proof, |p| {
        p.handovers[0].committee.members.reverse();
    });
    list.change("handover-before-the-end-of-the-epoch", Handover, &proof, |p| {
        p.handovers[0].header = chain.headers[6].clone();
        p.handovers[0].finalization = chain.certify(&chain.headers[6], &chain.quorum(0));
    });
    list.change("handover-signed-by-two", Quorum, &proof, |p| {
        p.handovers[0].finalization = chain.certify(&p.handovers[0].header, &[0, 1]);
    });
    list.change("handover-signed-by-the-next-committee", Signature, &proof, |p| {
        let next = &chain.committees[1];
        let message =
            p.handovers[0].finalization.message(&p.chain_id, &p.handovers[0].header.digest());
        p.handovers[0].finalization.signatures =
            (0..3).map(|rank| signature(next.members[rank].consensus, &message)).collect();
    });
    let claim = Claim::Handover { committee: chain.committees[1].clone() };
    let handover = chain.prove(claim, EPOCH - 1, 0);
    list.change("claimed-handover-to-strangers", Handover, &handover, |p| {
        let Claim::Handover { committee } = &mut p.claim else { unreachable!() };
        committee.members.pop();
    });
    list.change("claimed-handover-before-the-end-of-the-epoch", Handover, &handover, |p| {
        p.headers[0] = chain.headers[5].clone();
        p.finalization = chain.certify(&p.headers[0], &chain.quorum(0));
    });
}

fn anchors(list: &mut List<'_>) {
    let receipt = list.receipt();
    let bytes = receipt.encode();
    list.change("chain-id-changed", OtherChain, &receipt, |p| p.chain_id = Digest([1; 32]));
    list.under("other-chain", "trust-in-another-chain", OtherChain, bytes.clone());
    list.change("anchor-epoch-1", AnchorEpoch, &receipt, |p| p.anchor_epoch = 1);
    list.under("epoch-1", "trust-from-a-later-epoch", AnchorEpoch, bytes.clone());
    list.under("pinned-fork", "another-block-at-the-pinned-height", Pinned, bytes);
    let early = list.chain.prove(list.chain.receipt(2, 0, true), 3, 0).encode();
    list.under("pinned", "below-the-pinned-height", Stale, early);
    let mut old = list.receipt();
    old.anchor_epoch = 1;
    list.under("epoch-1", "epoch-0-under-trust-in-epoch-1", Epoch, old.encode());
}
