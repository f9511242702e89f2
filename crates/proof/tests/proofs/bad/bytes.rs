//! Files that are not a proof, or not in the one valid encoding.

use hanse_proof::ProofError::{Malformed, TooLarge, Version};
use hanse_proof::{Claim, LeafPath, Proof};
use hanse_types::encode;

use super::List;
use crate::chain::{LAG, kv};

pub(crate) fn add(list: &mut List<'_>) {
    not_a_proof(list);
    encodings(list);
    versions_and_kinds(list);
    fields(list);
    counts(list);
    limits(list);
}

fn not_a_proof(list: &mut List<'_>) {
    let bytes = list.receipt().encode();
    list.bytes("empty-file", Malformed, vec![]);
    list.bytes("json", Malformed, br#"{"v":1,"kind":"receipt"}"#.to_vec());
    list.bytes("cbor-null", Malformed, vec![0xf6]);
    list.bytes("cut-by-one", Malformed, bytes[..bytes.len() - 1].to_vec());
    list.bytes("cut-in-half", Malformed, bytes[..bytes.len() / 2].to_vec());
    list.bytes("one-byte-more", Malformed, [&bytes[..], &[0]].concat());
    list.bytes("twice", Malformed, [&bytes[..], &bytes[..]].concat());
    list.bytes("tagged", Malformed, [&[0xc1], &bytes[..]].concat());
}

/// `with` in place of the only `from`.
fn swap(bytes: &[u8], from: &[u8], with: &[u8]) -> Vec<u8> {
    let found: Vec<usize> =
        (0..=bytes.len() - from.len()).filter(|i| bytes[*i..].starts_with(from)).collect();
    assert_eq!(found.len(), 1, "{from:02x?} occurs {} times", found.len());
    let at = found[0];
    [&bytes[..at], with, &bytes[at + from.len()..]].concat()
}

fn encodings(list: &mut List<'_>) {
    let bytes = list.receipt().encode();
    assert_eq!(&bytes[..4], b"\xa9\x61v\x01");
    list.bytes(
        "integer-not-shortest",
        Malformed,
        swap(&bytes, b"\xa9\x61v\x01", b"\xa9\x61v\x18\x01"),
    );
    list.bytes("text-length-not-shortest", Malformed, swap(&bytes, b"\x64kind", b"\x78\x04kind"));
    list.bytes("map-length-not-shortest", Malformed, [&[0xb8, 9], &bytes[1..]].concat());
    list.bytes("map-of-unknown-length", Malformed, [&[0xbf], &bytes[1..], &[0xff]].concat());
    let headers = b"\x67headers\x81";
    list.bytes("array-of-unknown-length", Malformed, {
        let changed = swap(&bytes, headers, b"\x67headers\x9f");
        swap(&changed, b"\x68chain_id", b"\xff\x68chain_id")
    });
    list.bytes("keys-not-in-order", Malformed, {
        let version_last =
            swap(&bytes, b"\xa9\x61v\x01\x64kind\x67receipt", b"\xa9\x64kind\x67receipt");
        [&version_last[..], b"\x61v\x01"].concat()
    });
    list.bytes("key-twice", Malformed, swap(&bytes, b"\xa9\x61v\x01", b"\xaa\x61v\x01\x61v\x01"));
    list.bytes("unknown-key", Malformed, swap(&bytes, b"\xa9\x61v\x01", b"\xaa\x61a\x01\x61v\x01"));
    list.bytes("key-missing", Malformed, swap(&bytes, b"\xa9\x61v\x01", b"\xa8"));
}

fn versions_and_kinds(list: &mut List<'_>) {
    let bytes = list.receipt().encode();
    list.bytes("version-0", Version, swap(&bytes, b"\xa9\x61v\x01", b"\xa9\x61v\x00"));
    list.bytes("version-2", Version, swap(&bytes, b"\xa9\x61v\x01", b"\xa9\x61v\x02"));
    list.bytes("version-negative", Malformed, swap(&bytes, b"\xa9\x61v\x01", b"\xa9\x61v\x20"));
    list.bytes(
        "version-float",
        Malformed,
        swap(&bytes, b"\xa9\x61v\x01", b"\xa9\x61v\xf9\x3c\x00"),
    );
    list.bytes(
        "kind-unknown",
        Malformed,
        swap(&bytes, b"\x67receipt\x64path", b"\x67receipe\x64path"),
    );
    list.bytes(
        "kind-not-of-the-claim",
        Malformed,
        swap(&bytes, b"\x67receipt\x64path", b"\x65event\x64path"),
    );
    list.bytes(
        "chain-id-as-text",
        Malformed,
        swap(&bytes, b"\x68chain_id\x58\x20", b"\x68chain_id\x78\x20"),
    );
    list.bytes("chain-id-too-short", Malformed, {
        let id = list.chain.genesis.chain_id().0;
        let from = [b"\x68chain_id\x58\x20".as_slice(), &id].concat();
        swap(&bytes, &from, &[b"\x68chain_id\x58\x1f".as_slice(), &id[1..]].concat())
    });
    let value = list.value().encode();
    list.bytes(
        "value-said-to-be-absence",
        Malformed,
        swap(&value, b"\x65value\x64path", b"\x67absence\x64path"),
    );
}

fn fields(list: &mut List<'_>) {
    let receipt = list.receipt();
    list.change("no-header", Malformed, &receipt, |p| p.headers.clear());
    let header = encode(&receipt.headers[0]);
    let bytes = receipt.encode();
    let framed =
        |header: &[u8]| [&[0x59], (header.len() as u16).to_be_bytes().as_slice(), header].concat();
    list.bytes("header-with-a-byte-more", Malformed, {
        swap(&bytes, &framed(&header), &framed(&[&header[..], &[0]].concat()))
    });
    list.bytes("header-cut", Malformed, {
        swap(&bytes, &framed(&header), &framed(&header[..header.len() - 1]))
    });
    list.bytes("header-with-a-boolean-of-two", Malformed, {
        let mut changed = header.clone();
        // `settles` stands before three digests.
        let at = header.len() - 97;
        assert_eq!(changed[at], 1);
        changed[at] = 2;
        swap(&bytes, &framed(&header), &framed(&changed))
    });
    list.change("path-with-a-side-too-many", Malformed, &receipt, |p| {
        let Claim::Receipt { path, .. } = &mut p.claim else { unreachable!() };
        path.left |= 1 << path.siblings.len();
    });
    let signatures = [b"\x6asignatures\x58\xc0".as_slice()].concat();
    list.bytes("signature-cut", Malformed, {
        let at = bytes.windows(signatures.len()).position(|w| w == signatures).unwrap();
        let mut changed = bytes.clone();
        changed[at + signatures.len() - 1] = 0xbf;
        changed.remove(at + signatures.len() + 191);
        changed
    });
}

fn counts(list: &mut List<'_>) {
    let items = vec![list.chain.item(4, &kv("key-1")), list.chain.item(4, &kv("key-2"))];
    let image = list.chain.prove(Claim::Image { items }, 4 + LAG, 0);
    list.change("image-without-items", Malformed, &image, |p| {
        p.claim = Claim::Image { items: vec![] };
    });
    list.bytes("image-with-a-branch-less", Malformed, {
        let Claim::Image { items } = &image.claim else { unreachable!() };
        let both = image.encode();
        let one = Proof { claim: Claim::Image { items: items[..1].to_vec() }, ..image.clone() };
        // The path of one, the claim of two.
        let at = |b: &[u8]| b.windows(6).position(|w| w == b"\x65claim").unwrap();
        let one = one.encode();
        [&one[..at(&one)], &both[at(&both)..]].concat()
    });
    let range = list.chain.prove(list.chain.range(4, &kv("key-1"), &kv("key-3"), true), 4 + LAG, 0);
    list.change("range-without-entries", Malformed, &range, |p| {
        p.claim = Claim::Range { entries: vec![] };
    });
    list.bytes("handover-with-a-path", Malformed, {
        let committee = list.chain.committees[1].clone();
        let proof = list.chain.prove(Claim::Handover { committee }, 7, 0).encode();
        swap(&proof, b"\x64path\xf6", b"\x64path\x80")
    });
}

fn limits(list: &mut List<'_>) {
    let receipt = list.receipt();
    list.change("too-many-siblings", TooLarge, &receipt, |p| {
        let Claim::Receipt { path, .. } = &mut p.claim else { unreachable!() };
        *path = LeafPath { left: 0, siblings: vec![Default::default(); 33] };
    });
    list.change("too-many-signatures", TooLarge, &receipt, |p| {
        p.finalization.signatures = vec![[0; 64]; 65];
    });
    list.change("too-many-signers", TooLarge, &receipt, |p| p.finalization.signers = vec![1; 9]);
    list.change("record-too-long", TooLarge, &list.lookup(&kv("key-0a")), |p| {
        let Claim::State(hanse_proof::StateProofItem::Absence { before, .. }) = &mut p.claim else {
            unreachable!()
        };
        before.key.resize(hanse_proof::limits::RECORD_BYTES_MAX, 0);
    });
    list.change(
        "event-key-too-long",
        TooLarge,
        &list.chain.prove(list.chain.event(5, 1, true), 6, 0),
        |p| {
            let Claim::Event { key, .. } = &mut p.claim else { unreachable!() };
            *key = Some(vec![0; hanse_proof::limits::STATE_KEY_BYTES_MAX + 1]);
        },
    );
    list.change("branch-too-long", TooLarge, &list.value(), |p| {
        let Claim::State(hanse_proof::StateProofItem::Value(entry)) = &mut p.claim else {
            unreachable!()
        };
        entry.branch.siblings = vec![Default::default(); 63];
    });
    list.change("name-too-long", TooLarge, &receipt, |p| {
        let Claim::Receipt { actor, .. } = &mut p.claim else { unreachable!() };
        actor.as_mut().unwrap().identity = "x".repeat(1_024);
    });
}
