//! Proofs that hold.

use hanse_proof::{Claim, Pinned, Proof, TrustRoot};
use hanse_types::StateKey;

use crate::chain::{Chain, EPOCH, LAG, LAST, kv};

/// A proof, and the trust root it is to be checked against.
pub(crate) struct Good {
    pub(crate) name: String,
    pub(crate) proof: Proof,
    pub(crate) trust: &'static str,
}

/// The trust roots of the vectors, by file name.
pub(crate) fn trusts(chain: &Chain) -> Vec<(&'static str, TrustRoot)> {
    let founders = chain.trust();
    let mut other = chain.genesis.clone();
    other.name = "another-network".into();
    let pinned = Some(Pinned { height: 6, digest: chain.headers[6].digest() });
    let fork = Some(Pinned { height: 6, digest: chain.headers[5].digest() });
    vec![
        ("founders", founders.clone()),
        ("epoch-1", chain.trust_in(1)),
        ("epoch-2", chain.trust_in(2)),
        ("epoch-3", chain.trust_in(3)),
        ("pinned", TrustRoot { pinned, ..founders.clone() }),
        ("pinned-fork", TrustRoot { pinned: fork, ..founders }),
        ("other-chain", TrustRoot::from_genesis(&other)),
    ]
}

pub(crate) fn all(chain: &Chain) -> Vec<Good> {
    let mut list = Vec::new();
    let mut add = |name: &str, trust, proof: Proof| {
        list.push(Good { name: name.into(), proof, trust });
    };
    receipts_and_events(chain, &mut add);
    lookups(chain, &mut add);
    ranges_and_images(chain, &mut add);
    chains_and_trust(chain, &mut add);
    epochs(chain, &mut add);
    list
}

fn receipts_and_events(chain: &Chain, add: &mut impl FnMut(&str, &'static str, Proof)) {
    for height in [1, 2, 3, 5, 6] {
        for index in 0..chain.actions[height as usize].len() {
            let claim = chain.receipt(height, index, index % 2 == 0);
            let name = format!("receipt-{height}-{index}");
            add(&name, "founders", chain.prove(claim, height + 1, 0));
        }
    }
    for height in [4, 5] {
        for index in 0..chain.changes[height as usize].len() {
            let claim = chain.event(height, index, index % 2 == 1);
            add(&format!("event-{height}-{index}"), "founders", chain.prove(claim, height + 1, 0));
        }
    }
}

fn lookups(chain: &Chain, add: &mut impl FnMut(&str, &'static str, Proof)) {
    let state =
        |settled, key: &[u8]| chain.prove(Claim::State(chain.item(settled, key)), settled + LAG, 0);
    let present: Vec<Vec<u8>> = chain.snapshots[&4].keys().cloned().collect();
    let app: Vec<&Vec<u8>> = present.iter().filter(|k| k.starts_with(&kv(""))).collect();
    add("value-first-record", "founders", state(4, b""));
    add("value-organisation", "founders", state(4, &StateKey::Organisation("acme").encode()));
    add("value-app", "founders", state(4, app[0]));
    add("value-app-last", "founders", state(4, app[app.len() - 1]));
    add("value-bulk", "founders", state(4, &StateKey::Kv { space: "bulk", key: b"0007" }.encode()));
    add(
        "value-bulk-late",
        "founders",
        state(0, &StateKey::Kv { space: "bulk", key: b"0299" }.encode()),
    );
    let mut sealed = chain.item(4, app[0]);
    if let hanse_proof::StateProofItem::Value(entry) = &mut sealed {
        entry.value = None;
    }
    add("value-undisclosed", "founders", chain.prove(Claim::State(sealed), 4 + LAG, 0));
    add("absence-middle", "founders", state(4, &kv("key-0a")));
    add("absence-first-of-space", "founders", state(4, &kv("")));
    add("absence-after-last", "founders", state(4, &StateKey::Organisation("zulu").encode()));
    add(
        "absence-other-space",
        "founders",
        state(4, &StateKey::Kv { space: "none", key: b"k" }.encode()),
    );
    add("absence-after-restart-of-epoch", "epoch-1", {
        let mut proof = state(13, &kv("key-99"));
        (proof.anchor_epoch, proof.handovers) = (1, vec![]);
        proof
    });
}

fn ranges_and_images(chain: &Chain, add: &mut impl FnMut(&str, &'static str, Proof)) {
    let range = |settled, start: &[u8], end: &[u8], disclose| {
        chain.prove(chain.range(settled, start, end, disclose), settled + LAG, 0)
    };
    let bulk = |key: &str| StateKey::Kv { space: "bulk", key: key.as_bytes() }.encode();
    add("range-space", "founders", range(4, &kv(""), &kv("\u{7f}"), true));
    add("range-undisclosed", "founders", range(4, &kv(""), &kv("\u{7f}"), false));
    add("range-from-present-key", "founders", range(4, &bulk("0010"), &bulk("0020"), true));
    add("range-one", "founders", range(4, &bulk("0010"), &bulk("0010\0"), true));
    add("range-empty", "founders", range(4, &bulk("0010a"), &bulk("0010b"), true));
    add("range-to-end-of-map", "founders", range(4, &[2], &[], true));
    add("range-empty-to-end-of-map", "founders", range(4, &[200], &[], true));
    add("range-from-first-record", "founders", range(4, &[], &kv(""), true));
    let keys = [kv("key-1"), kv("key-0a"), StateKey::Organisation("cobalt").encode(), kv("key-8")];
    let items = keys.iter().map(|key| chain.item(4, key)).collect();
    add("image-lookups", "founders", chain.prove(Claim::Image { items }, 4 + LAG, 0));
    let items = vec![chain.item(9, &StateKey::Namespace("reg/x").encode())];
    add("image-one-absent", "founders", chain.prove(Claim::Image { items }, 9 + LAG, 0));
}

fn chains_and_trust(chain: &Chain, add: &mut impl FnMut(&str, &'static str, Proof)) {
    add("descendant-1", "founders", chain.prove(chain.receipt(1, 0, true), 2, 1));
    add("descendant-5", "founders", chain.prove(chain.receipt(1, 0, true), 2, 5));
    let state = |settled, further| {
        let claim = Claim::State(chain.item(settled, &kv("key-1")));
        chain.prove(claim, settled + LAG, further)
    };
    add("descendant-value", "founders", state(9, 3));
    add("epoch-1-by-handover", "founders", state(13, 0));
    add("epoch-2-by-handovers", "founders", state(20, 1));
    let mut direct = state(20, 0);
    (direct.anchor_epoch, direct.handovers) = (2, vec![]);
    add("epoch-2-direct", "epoch-2", direct);
    let mut one = state(20, 0);
    one.anchor_epoch = 1;
    one.handovers.remove(0);
    add("epoch-2-from-epoch-1", "epoch-1", one);
    add("pinned-height", "pinned", state(4, 0));
    add("above-pinned-height", "pinned", chain.prove(chain.receipt(6, 0, true), 7, 0));
    add("through-pinned-height", "pinned", chain.prove(chain.receipt(1, 0, true), 2, 5));
    let mut everyone = state(4, 0);
    everyone.finalization = chain.certify(&everyone.headers[0], &[0, 1, 2, 3]);
    add("all-members-signed", "founders", everyone);
    let mut seven = state(20, 0);
    seven.finalization = chain.certify(&seven.headers[0], &[0, 1, 2, 3, 4, 5, 6]);
    add("all-seven-signed", "founders", seven);
    let mut later = state(4, 0);
    // A block can be voted on again in a later view, as happens at the end of an epoch.
    later.finalization.view = 400;
    later.finalization.parent_view = 399;
    let message = later.finalization.message(&later.chain_id, &later.headers[0].digest());
    let committee = &chain.committees[0];
    later.finalization.signatures = chain
        .quorum(0)
        .iter()
        .map(|rank| crate::chain::signature(committee.members[*rank].consensus, &message))
        .collect();
    add("voted-in-a-later-view", "founders", later);
    for epoch in 0..3 {
        let committee = chain.committees[epoch as usize + 1].clone();
        let claim = Claim::Handover { committee };
        let name = format!("handover-{epoch}");
        add(&name, "founders", chain.prove(claim, (epoch + 1) * EPOCH - 1, 0));
    }
    assert_eq!(LAST % EPOCH, EPOCH - 1, "the last header ends an epoch");
}

/// Epochs without a hand-over between them, because their members are the same.
fn epochs(chain: &Chain, add: &mut impl FnMut(&str, &'static str, Proof)) {
    let state = |anchor, settled, further| {
        let claim = Claim::State(chain.item(settled, &kv("key-1")));
        chain.prove_from(anchor, claim, settled + LAG, further)
    };
    let handover = |anchor, epoch: u64| {
        let committee = chain.committees[epoch as usize + 1].clone();
        let claim = Claim::Handover { committee };
        chain.prove_from(anchor, claim, (epoch + 1) * EPOCH - 1, 0)
    };
    add("epoch-4-from-epoch-3", "epoch-3", state(3, 36, 0));
    add("epoch-6-from-epoch-3", "epoch-3", state(3, 52, 0));
    add("epoch-6-from-epoch-3-descendant", "epoch-3", state(3, 52, 1));
    // The last block of epoch 4; its receipts are in the first header of epoch 5.
    add("receipt-in-the-next-epoch", "epoch-3", {
        chain.prove_from(3, chain.receipt(39, 1, true), 40, 2)
    });
    add("epoch-6-through-all-members", "founders", state(0, 52, 0));
    // The founders sit again, so that nobody else needs to be asked.
    let mut again = state(0, 52, 0);
    again.handovers.clear();
    add("epoch-6-by-founders-who-came-back", "founders", again);
    add("two-changes-with-gaps", "epoch-3", state(3, 90, 1));
    add("five-changes-with-gaps", "founders", state(0, 90, 0));
    add("handover-after-a-gap", "epoch-3", handover(3, 6));
    add("handover-after-changes-with-gaps", "epoch-3", handover(3, 11));
    add("handover-to-the-same-members", "epoch-3", handover(3, 4));
}
