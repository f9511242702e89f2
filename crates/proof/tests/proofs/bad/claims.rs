//! Claims that the certified roots do not carry.

use hanse_proof::ProofError::{
    ClaimHeight, Content, Event as NotTheEvent, Range, Receipt as NotTheReceipt, State,
};
use hanse_proof::{Claim, Entry, LeafPath, Proof, StateBranch, StateProofItem};
use hanse_types::{Digest, Event, Receipt, Record, StateKey, Status};

use super::List;
use crate::chain::{LAG, kv};

pub(crate) fn add(list: &mut List<'_>) {
    receipts(list);
    events(list);
    values(list);
    branches(list);
    absences(list);
    ranges(list);
}

fn receipt_of(proof: &mut Proof) -> (&mut Receipt, &mut LeafPath) {
    let Claim::Receipt { receipt, path, .. } = &mut proof.claim else { unreachable!() };
    (receipt, path)
}

fn receipts(list: &mut List<'_>) {
    let base = list.receipt();
    let chain = list.chain;
    list.change(
        "receipt-done-instead-of-refused",
        NotTheReceipt,
        &chain.prove(chain.receipt(5, 3, true), 6, 0),
        |p| {
            receipt_of(p).0.status = Status::Done;
        },
    );
    list.change("receipt-revision-changed", NotTheReceipt, &base, |p| {
        receipt_of(p).0.revision += 1
    });
    list.change("receipt-index-changed", NotTheReceipt, &base, |p| receipt_of(p).0.index += 1);
    list.change("receipt-space-changed", NotTheReceipt, &base, |p| {
        receipt_of(p).0.space = "other".into()
    });
    list.change("receipt-swapped", NotTheReceipt, &base, |p| {
        *receipt_of(p).0 = chain.actions[5][2].receipt.clone();
    });
    list.change("receipt-of-another-block", ClaimHeight, &base, |p| {
        *receipt_of(p).0 = chain.actions[4][1].receipt.clone();
    });
    list.change("receipt-height-changed", ClaimHeight, &base, |p| receipt_of(p).0.height += 1);
    list.change("receipt-height-overflow", ClaimHeight, &base, |p| {
        receipt_of(p).0.height = u64::MAX
    });
    list.change("receipt-path-cut", NotTheReceipt, &base, |p| {
        let (_, path) = receipt_of(p);
        path.siblings.pop();
        path.left &= (1 << path.siblings.len()) - 1;
    });
    list.change("receipt-path-empty", NotTheReceipt, &base, |p| {
        *receipt_of(p).1 = LeafPath { left: 0, siblings: vec![] };
    });
    list.change("receipt-path-longer", NotTheReceipt, &base, |p| {
        receipt_of(p).1.siblings.push(Digest([1; 32]));
    });
    list.change("receipt-path-other-side", NotTheReceipt, &base, |p| receipt_of(p).1.left ^= 1);
    list.change("receipt-path-reversed", NotTheReceipt, &base, |p| {
        receipt_of(p).1.siblings.reverse()
    });
    list.change("command-of-another", Content, &base, |p| {
        let Claim::Receipt { command, .. } = &mut p.claim else { unreachable!() };
        *command = Some(chain.actions[5][2].command.clone());
    });
    list.change("actor-of-another", Content, &base, |p| {
        let Claim::Receipt { actor, .. } = &mut p.claim else { unreachable!() };
        *actor = Some(chain.actions[5][2].actor.clone());
    });
}

fn event_of(proof: &mut Proof) -> (&mut Event, &mut LeafPath) {
    let Claim::Event { event, path, .. } = &mut proof.claim else { unreachable!() };
    (event, path)
}

fn events(list: &mut List<'_>) {
    let chain = list.chain;
    let base = chain.prove(chain.event(5, 1, true), 6, 0);
    list.change("event-revision-changed", NotTheEvent, &base, |p| event_of(p).0.revision += 1);
    list.change("event-history-changed", NotTheEvent, &base, |p| {
        event_of(p).0.prev_mod_revision += 1
    });
    list.change("event-swapped", NotTheEvent, &base, |p| {
        *event_of(p).0 = chain.changes[5][0].event.clone();
    });
    list.change("event-path-cut", NotTheEvent, &base, |p| {
        let (_, path) = event_of(p);
        path.siblings.pop();
        path.left &= (1 << path.siblings.len()) - 1;
    });
    list.change("event-in-another-header", NotTheEvent, &base, |p| {
        p.headers[0] = chain.headers[7].clone();
        p.finalization = chain.certify(&p.headers[0], &chain.quorum(0));
    });
    list.change("event-with-another-key", Content, &base, |p| {
        let Claim::Event { key, .. } = &mut p.claim else { unreachable!() };
        *key = Some(kv("another"));
    });
    list.change("event-with-another-value", Content, &base, |p| {
        let Claim::Event { value, .. } = &mut p.claim else { unreachable!() };
        *value = Some(b"another".to_vec());
    });
    list.change("event-with-another-actor", Content, &base, |p| {
        let Claim::Event { actor, .. } = &mut p.claim else { unreachable!() };
        actor.as_mut().unwrap().organisation = "delta".into();
    });
}

fn entry_of(proof: &mut Proof) -> &mut Entry {
    let Claim::State(StateProofItem::Value(entry)) = &mut proof.claim else { unreachable!() };
    entry
}

fn values(list: &mut List<'_>) {
    let base = list.value();
    let other = list.value_entry(1);
    list.change("value-changed", Content, &base, |p| {
        entry_of(p).value = Some(b"forged".to_vec());
    });
    list.change("value-and-hash-changed", State, &base, |p| {
        let entry = entry_of(p);
        entry.value = Some(b"forged".to_vec());
        entry.record.value_hash = Record::value_hash(b"forged");
    });
    list.change("record-revision-changed", State, &base, |p| entry_of(p).record.mod_revision += 1);
    list.change("record-key-changed", State, &base, |p| entry_of(p).record.key = kv("forged"));
    list.change("record-next-changed", State, &base, |p| entry_of(p).record.next = vec![]);
    list.change("record-height-changed", State, &base, |p| entry_of(p).record.height -= 1);
    list.change("record-of-another-key", State, &base, |p| {
        entry_of(p).record = other.record.clone()
    });
    list.change("branch-of-another-key", State, &base, |p| {
        entry_of(p).branch = other.branch.clone()
    });
    let chain = list.chain;
    // The same key under an older root: what it held then is not what it holds now.
    let key = StateKey::Kv { space: "bulk", key: b"0007" }.encode();
    let StateProofItem::Value(old) = chain.item(0, &key) else { unreachable!() };
    list.change("branch-of-an-older-root", State, &list.lookup(&key), |p| {
        entry_of(p).branch = old.branch.clone();
    });
    let items = vec![chain.item(4, &key), chain.item(0, &key)];
    let image = chain.prove(Claim::Image { items }, 4 + LAG, 0);
    list.bytes("image-item-of-another-root", State, image.encode());
    list.change("image-value-changed", Content, &image, |p| {
        let Claim::Image { items } = &mut p.claim else { unreachable!() };
        let StateProofItem::Value(entry) = &mut items[0] else { unreachable!() };
        entry.value = Some(vec![]);
    });
}

impl List<'_> {
    fn value_entry(&self, n: usize) -> Entry {
        let StateProofItem::Value(entry) = self.chain.item(4, &self.present(n)) else {
            unreachable!()
        };
        entry
    }
}

fn branches(list: &mut List<'_>) {
    let base = list.value();
    let early = list.lookup(&StateKey::Kv { space: "bulk", key: b"0150" }.encode());
    type Change = fn(&mut StateBranch);
    let changes: [(&str, Change); 10] = [
        ("location-changed", |b| b.location ^= 1),
        ("location-beyond-the-log", |b| b.location = b.leaves),
        ("leaves-changed", |b| b.leaves += 1),
        ("leaves-beyond-all-limits", |b| b.leaves = u64::MAX),
        ("activity-bit-cleared", |b| {
            b.chunk[(b.location % 256 / 8) as usize] &= !(1 << (b.location % 8));
        }),
        ("other-activity-bit-changed", |b| b.chunk[((b.location + 8) % 256 / 8) as usize] ^= 0x81),
        ("partial-chunk-removed", |b| b.partial = None),
        ("log-root-changed", |b| b.log_root = Digest([1; 32])),
        ("inactive-changed", |b| b.inactive += 1),
        ("inactive-beyond-all-peaks", |b| b.inactive = 63),
    ];
    for (name, change) in changes {
        list.change(&format!("branch-{name}"), State, &base, |p| change(&mut entry_of(p).branch));
        list.change(&format!("full-chunk-branch-{name}"), State, &early, |p| {
            change(&mut entry_of(p).branch);
        });
    }
    list.change("branch-cut", State, &early, |p| {
        entry_of(p).branch.siblings.pop();
    });
    list.change("branch-longer", State, &early, |p| {
        entry_of(p).branch.siblings.push(Digest([1; 32]));
    });
    list.change("branch-siblings-swapped", State, &early, |p| {
        entry_of(p).branch.siblings.swap(0, 1);
    });
    list.change("branch-peak-missing", State, &base, |p| {
        entry_of(p).branch.peaks.pop();
    });
    list.change("branch-peaks-swapped", State, &base, |p| entry_of(p).branch.peaks.reverse());
    list.change("branch-without-anything", State, &base, |p| {
        let branch = &mut entry_of(p).branch;
        (branch.location, branch.leaves, branch.inactive) = (0, 1, 0);
        branch.chunk = [1; 32];
        branch.partial = Some(hanse_crypto::sha256(&[1; 32]));
        (branch.siblings, branch.peaks) = (vec![], vec![]);
    });
}

fn absences(list: &mut List<'_>) {
    let chain = list.chain;
    let base = list.lookup(&kv("key-0a"));
    let later = list.present(3);
    let before = |p: &mut Proof, change: &dyn Fn(&mut Record)| {
        let Claim::State(StateProofItem::Absence { before, .. }) = &mut p.claim else {
            unreachable!()
        };
        change(before);
    };
    list.change("absence-by-a-forged-next", State, &base, |p| {
        before(p, &|record| record.next.clone_from(&later));
    });
    list.change("absence-by-a-forged-end", State, &base, |p| {
        before(p, &|record| record.next.clear());
    });
    list.change("absence-by-a-forged-key", State, &base, |p| {
        before(p, &|record| record.key = StateKey::First.encode());
    });
    let StateProofItem::Absence { before, branch } = chain.item(0, &kv("key-0a")) else {
        unreachable!()
    };
    list.change("absence-under-an-older-root", State, &base, |p| {
        p.claim = Claim::State(StateProofItem::Absence { before, branch });
    });
}

fn ranges(list: &mut List<'_>) {
    let chain = list.chain;
    let base = chain.prove(chain.range(4, &kv(""), &kv("\u{7f}"), true), 4 + LAG, 0);
    type Change = fn(&mut Vec<Entry>);
    let changes: [(&str, Change); 4] = [
        ("first-key-left-out", |e| drop(e.remove(1))),
        ("middle-key-left-out", |e| drop(e.remove(3))),
        ("key-twice", |e| e.insert(1, e[0].clone())),
        ("keys-backwards", |e| e.reverse()),
    ];
    for (name, change) in changes {
        list.change(&format!("range-{name}"), Range, &base, |p| {
            let Claim::Range { entries } = &mut p.claim else { unreachable!() };
            change(entries);
        });
    }
    list.change("range-value-changed", Content, &base, |p| {
        let Claim::Range { entries } = &mut p.claim else { unreachable!() };
        entries[1].value = Some(b"forged".to_vec());
    });
    list.change("range-record-changed", State, &base, |p| {
        let Claim::Range { entries } = &mut p.claim else { unreachable!() };
        entries[1].record.version += 1;
    });
    list.change("range-closed-over-a-key-left-out", State, &base, |p| {
        let Claim::Range { entries } = &mut p.claim else { unreachable!() };
        let gone = entries.remove(2);
        entries[1].record.next = gone.record.next;
    });
    list.change("range-of-another-root", State, &base, |p| {
        p.claim = chain.range(0, &kv(""), &kv("\u{7f}"), true);
    });
}
