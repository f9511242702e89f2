//! The certificate as docs/formats/certificate.md describes it, for tests that forge some.

use commonware_cryptography::Signer as _;
use hanse_types::Digest;

use crate::{ConsensusKey, config::namespace};

mod tests;

/// The fields of a certificate, to be written down right or wrong.
#[derive(Clone)]
pub(crate) struct Forged {
    pub(crate) epoch: u64,
    pub(crate) view: u64,
    pub(crate) parent_view: u64,
    pub(crate) payload: Digest,
    pub(crate) members: u64,
    pub(crate) bitmap: u8,
    pub(crate) signatures: Vec<[u8; 64]>,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl Forged {
    fn proposal(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for field in [self.epoch, self.view, self.parent_view] {
            varint(&mut out, field);
        }
        out.extend(self.payload.0);
        out
    }

    /// The signature `key` makes under "What is signed".
    pub(crate) fn sign(&self, chain_id: &Digest, key: &ConsensusKey) -> [u8; 64] {
        // The engine's own framing: varint length of the namespace, the namespace, the proposal.
        let namespace = [namespace(chain_id), b"_FINALIZE".to_vec()].concat();
        let signature = key.0.sign(&namespace, &self.proposal());
        signature.as_ref().try_into().expect("ed25519 signatures have 64 bytes")
    }

    /// The bytes of the section "Layout", for committees of up to eight.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.proposal();
        out.extend(self.members.to_be_bytes());
        out.push(self.bitmap);
        varint(&mut out, self.signatures.len() as u64);
        out.extend(self.signatures.as_flattened());
        out
    }
}
