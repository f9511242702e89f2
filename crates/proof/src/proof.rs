//! The file: `*.hproof`, deterministic CBOR (RFC 8949 section 4.2.1). docs/formats/proof.md is its description.

use alloc::vec::Vec;

use hanse_crypto::Digest;
use hanse_types::{Committee, Header, encode};

use crate::cbor::{Reader, Writer};
use crate::claim::{Claim, Kind, Path, borsh};
use crate::error::ProofError;
use crate::finalization::Finalization;
use crate::limits::{
    COMMITTEE_BYTES_MAX, HANDOVERS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, PROOF_BYTES_MAX,
};

/// Version of the file's layout.
pub const VERSION: u64 = 1;

/// A proof as data: nothing about it is checked. [`crate::verify`] does that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The chain it is about.
    pub chain_id: Digest,
    /// Epoch of the committee whose trust it starts from.
    pub anchor_epoch: u64,
    /// From that committee to the one that signed: one per change of members on the way.
    pub handovers: Vec<Handover>,
    /// From the header that carries the claim's root to the certified one, parent to child.
    pub headers: Vec<Header>,
    /// Certifies the last of `headers`.
    pub finalization: Finalization,
    /// What is claimed, with its path.
    pub claim: Claim,
}

/// The last header of an epoch, certified, and the committee it names: the way from one set of members to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The last header of an epoch. The members it comes from may have sat for many epochs before.
    pub header: Header,
    /// Certifies it.
    pub finalization: Finalization,
    /// The committee of the next epoch.
    pub committee: Committee,
}

impl Proof {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(9);
        w.text("v");
        w.uint(VERSION);
        w.text("kind");
        w.text(self.claim.kind().name());
        w.text("path");
        self.claim.write_path(&mut w);
        w.text("claim");
        self.claim.write(&mut w);
        w.text("headers");
        w.array(self.headers.len());
        for header in &self.headers {
            w.bytes(&encode(header));
        }
        w.text("chain_id");
        w.bytes(&self.chain_id.0);
        w.text("handovers");
        w.array(self.handovers.len());
        for handover in &self.handovers {
            handover.write(&mut w);
        }
        w.text("anchor_epoch");
        w.uint(self.anchor_epoch);
        w.text("finalization");
        self.finalization.write(&mut w);
        w.finish()
    }

    /// Reads a file without checking what it says. Exactly the bytes [`Proof::encode`] would write are accepted.
    ///
    /// # Errors
    /// [`ProofError::TooLarge`] over a limit of [`crate::limits`], [`ProofError::Version`] for another
    /// version, [`ProofError::Malformed`] otherwise.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofError::TooLarge);
        }
        let mut r = Reader::new(bytes);
        r.map(9)?;
        r.key("v")?;
        if r.uint()? != VERSION {
            return Err(ProofError::Version);
        }
        r.key("kind")?;
        let kind = Kind::from_name(r.text()?).ok_or(ProofError::Malformed)?;
        r.key("path")?;
        let path = Path::read(&mut r, kind)?;
        r.key("claim")?;
        let claim = Claim::read(&mut r, kind, path)?;
        r.key("headers")?;
        let count = r.items(HEADERS_MAX)?;
        let headers: Vec<Header> =
            (0..count).map(|_| borsh(&mut r, HEADER_BYTES_MAX)).collect::<Result<_, _>>()?;
        r.key("chain_id")?;
        let chain_id = r.digest()?;
        r.key("handovers")?;
        let count = r.items(HANDOVERS_MAX)?;
        let handovers =
            (0..count).map(|_| Handover::read(&mut r)).collect::<Result<Vec<_>, _>>()?;
        r.key("anchor_epoch")?;
        let anchor_epoch = r.uint()?;
        r.key("finalization")?;
        let finalization = Finalization::read(&mut r)?;
        r.finish()?;
        let proof = Self { chain_id, anchor_epoch, handovers, headers, finalization, claim };
        if proof.headers.is_empty() || proof.encode() != bytes {
            return Err(ProofError::Malformed);
        }
        Ok(proof)
    }
}

impl Handover {
    fn write(&self, w: &mut Writer) {
        w.map(3);
        w.text("header");
        w.bytes(&encode(&self.header));
        w.text("committee");
        w.bytes(&encode(&self.committee));
        w.text("finalization");
        self.finalization.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ProofError> {
        r.map(3)?;
        r.key("header")?;
        let header = borsh(r, HEADER_BYTES_MAX)?;
        r.key("committee")?;
        let committee = borsh(r, COMMITTEE_BYTES_MAX)?;
        r.key("finalization")?;
        let finalization = Finalization::read(r)?;
        Ok(Self { header, finalization, committee })
    }
}
