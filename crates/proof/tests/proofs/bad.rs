//! Proofs that do not hold, each for one reason.

mod bytes;
mod certificates;
mod claims;
mod epochs;

use hanse_proof::{Claim, Proof, ProofError};
use hanse_types::Committee;

use crate::chain::{Chain, LAG, kv, sign};

/// Bytes that must be refused, and why.
pub(crate) struct Bad {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) trust: &'static str,
    pub(crate) reason: ProofError,
}

/// Collects bad proofs.
pub(crate) struct List<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) bad: Vec<Bad>,
}

impl List<'_> {
    /// `base` with one change.
    pub(crate) fn change(
        &mut self,
        name: &str,
        reason: ProofError,
        base: &Proof,
        change: impl FnOnce(&mut Proof),
    ) {
        let mut proof = base.clone();
        change(&mut proof);
        self.bytes(name, reason, proof.encode());
    }

    pub(crate) fn bytes(&mut self, name: &str, reason: ProofError, bytes: Vec<u8>) {
        self.under("founders", name, reason, bytes);
    }

    pub(crate) fn under(
        &mut self,
        trust: &'static str,
        name: &str,
        reason: ProofError,
        bytes: Vec<u8>,
    ) {
        self.bad.push(Bad { name: name.into(), bytes, trust, reason });
    }

    /// A receipt certified by its own header.
    pub(crate) fn receipt(&self) -> Proof {
        self.chain.prove(self.chain.receipt(5, 1, true), 6, 0)
    }

    /// A receipt certified through three descendants.
    pub(crate) fn descendant(&self) -> Proof {
        self.chain.prove(self.chain.receipt(3, 1, true), 4, 3)
    }

    pub(crate) fn lookup(&self, key: &[u8]) -> Proof {
        self.chain.prove(Claim::State(self.chain.item(4, key)), 4 + LAG, 0)
    }

    /// A present key of space `app` with its value.
    pub(crate) fn value(&self) -> Proof {
        let key = self.present(0);
        self.lookup(&key)
    }

    /// The n-th present key of space `app`.
    pub(crate) fn present(&self, n: usize) -> Vec<u8> {
        let snapshot = &self.chain.snapshots[&4];
        snapshot.keys().filter(|k| k.starts_with(&kv(""))).nth(n).unwrap().clone()
    }
}

pub(crate) fn all(chain: &Chain) -> Vec<Bad> {
    let mut list = List { chain, bad: Vec::new() };
    bytes::add(&mut list);
    certificates::add(&mut list);
    claims::add(&mut list);
    epochs::add(&mut list);
    list.bad
}

/// All members sign whatever the last header says now: checks beyond the signatures must hold alone.
fn resign(chain: &Chain, proof: &mut Proof) {
    let anchor = &chain.committees[proof.anchor_epoch as usize];
    let trusted = proof.handovers.last().map_or(anchor, |handover| &handover.committee);
    let header = proof.headers.last().unwrap();
    let sitting = Committee { epoch: header.place.epoch, members: trusted.members.clone() };
    let ranks: Vec<usize> = (0..sitting.members.len()).collect();
    proof.finalization = sign(&sitting, header, &ranks);
}
