//! The certificate: what each member signed, and reading it out of the engine's bytes.
//!
//! Source: commonware-consensus 2026.10.0, `simplex::types::{Proposal, Finalization}` and
//! `simplex::scheme` (suffix `_FINALIZE`); commonware-cryptography, `ed25519::certificate`;
//! commonware-utils, `union_unique`. Integers called varint are LEB128 without superfluous bytes.

use alloc::vec::Vec;

use hanse_crypto::{Digest, Vote, verify_all};
use hanse_types::Committee;
use hanse_types::limits::COMMITTEE_MAX;

use crate::cbor::{Reader, Writer};
use crate::error::ProofError;
use crate::limits::{SIGNERS_BYTES_MAX, VOTES_AT_ONCE};

#[cfg(test)]
mod tests;

/// First bytes of every signed vote of a chain.
const NAMESPACE_PREFIX: &[u8] = b"hanse/";
/// Distinguishes the vote to finalise from the engine's other votes.
const FINALIZE_SUFFIX: &[u8] = b"_FINALIZE";

/// What the engine of this chain must be configured with: no vote of one chain counts on another.
pub fn namespace(chain_id: &Digest) -> Vec<u8> {
    [NAMESPACE_PREFIX, &chain_id.0].concat()
}

/// A quorum's votes to finalise one block, without the block's digest, which the headers give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalization {
    /// Which committee voted.
    pub epoch: u64,
    /// The view the block was voted on in; may be later than the one it was proposed in.
    pub view: u64,
    /// The view of its parent.
    pub parent_view: u64,
    /// Bit i (bit i % 8 of byte i / 8) is set when the member of rank i signed; unused bits are zero.
    pub signers: Vec<u8>,
    /// One per signer, by ascending rank: R ‖ s.
    pub signatures: Vec<[u8; 64]>,
}

impl Finalization {
    /// Ranks of the signers in `committee`, ascending and each once.
    ///
    /// # Errors
    /// [`ProofError::Signers`] when the bitmap has not exactly one bit per member, or not one signature per bit.
    pub fn ranks(&self, committee: &Committee) -> Result<Vec<usize>, ProofError> {
        let members = committee.members.len();
        if self.signers.len() != members.div_ceil(8) {
            return Err(ProofError::Signers);
        }
        let set = |rank: &usize| self.signers[rank / 8] & (1 << (rank % 8)) != 0;
        if (members..self.signers.len() * 8).any(|rank| set(&rank)) {
            return Err(ProofError::Signers);
        }
        let ranks: Vec<usize> = (0..members).filter(set).collect();
        if ranks.len() == self.signatures.len() { Ok(ranks) } else { Err(ProofError::Signers) }
    }

    /// Checks that a quorum of `committee` signed for the block `payload` on chain `chain_id`.
    /// Signatures follow ZIP-215, as the engine checks them.
    ///
    /// # Errors
    /// [`ProofError::Epoch`] when the certificate is of another epoch than `committee`,
    /// [`ProofError::Signers`] as in [`Finalization::ranks`], [`ProofError::Quorum`] for fewer signers
    /// than [`Committee::quorum`], [`ProofError::Signature`] when one of the signatures is wrong.
    pub fn check(
        &self,
        chain_id: &Digest,
        committee: &Committee,
        payload: &Digest,
    ) -> Result<Vec<usize>, ProofError> {
        let mut votes = Votes::default();
        let ranks = self.count(chain_id, committee, payload, &mut votes)?;
        votes.check()?;
        Ok(ranks)
    }

    /// [`Finalization::check`] with the signatures left to `votes`: nothing holds before [`Votes::check`] said so.
    pub(crate) fn count<'a>(
        &'a self,
        chain_id: &Digest,
        committee: &Committee,
        payload: &Digest,
        votes: &mut Votes<'a>,
    ) -> Result<Vec<usize>, ProofError> {
        if self.epoch != committee.epoch {
            return Err(ProofError::Epoch);
        }
        let ranks = self.ranks(committee)?;
        if ranks.len() < committee.quorum() {
            return Err(ProofError::Quorum);
        }
        let keys = ranks.iter().map(|rank| committee.members[*rank].consensus).collect();
        votes.add(Ballot {
            message: self.message(chain_id, payload),
            keys,
            signatures: &self.signatures,
        })?;
        Ok(ranks)
    }

    /// What each member signed: varint length of namespace, namespace with suffix, then the proposal.
    pub fn message(&self, chain_id: &Digest, payload: &Digest) -> Vec<u8> {
        let mut namespace = namespace(chain_id);
        namespace.extend_from_slice(FINALIZE_SUFFIX);
        let mut message = Vec::with_capacity(128);
        varint(&mut message, namespace.len() as u64);
        message.extend_from_slice(&namespace);
        varint(&mut message, self.epoch);
        varint(&mut message, self.view);
        varint(&mut message, self.parent_view);
        message.extend_from_slice(&payload.0);
        message
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.map(5);
        w.text("view");
        w.uint(self.view);
        w.text("epoch");
        w.uint(self.epoch);
        w.text("signers");
        w.bytes(&self.signers);
        w.text("signatures");
        w.bytes(self.signatures.as_flattened());
        w.text("parent_view");
        w.uint(self.parent_view);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ProofError> {
        r.map(5)?;
        r.key("view")?;
        let view = r.uint()?;
        r.key("epoch")?;
        let epoch = r.uint()?;
        r.key("signers")?;
        let signers = r.bytes(SIGNERS_BYTES_MAX)?.to_vec();
        r.key("signatures")?;
        let (signatures, rest) = r.bytes(COMMITTEE_MAX * 64)?.as_chunks();
        if !rest.is_empty() {
            return Err(ProofError::Malformed);
        }
        r.key("parent_view")?;
        let parent_view = r.uint()?;
        Ok(Self { epoch, view, parent_view, signers, signatures: signatures.to_vec() })
    }
}

/// The votes of several certificates, checked in one equation: that costs less than half of checking each.
#[derive(Default)]
pub(crate) struct Votes<'a> {
    ballots: Vec<Ballot<'a>>,
}

/// The votes of one certificate.
struct Ballot<'a> {
    message: Vec<u8>,
    keys: Vec<[u8; 32]>,
    signatures: &'a [[u8; 64]],
}

impl<'a> Votes<'a> {
    /// Takes in a certificate's votes; those before them are checked now if they are many.
    fn add(&mut self, ballot: Ballot<'a>) -> Result<(), ProofError> {
        self.ballots.push(ballot);
        let waiting: usize = self.ballots.iter().map(|b| b.signatures.len()).sum();
        if waiting >= VOTES_AT_ONCE { self.check() } else { Ok(()) }
    }

    /// Checks all votes taken in since the last check.
    ///
    /// # Errors
    /// [`ProofError::Signature`] when one of them is wrong.
    pub(crate) fn check(&mut self) -> Result<(), ProofError> {
        let votes: Vec<Vote<'_>> = self.ballots.iter().flat_map(Ballot::votes).collect();
        let hold = verify_all(&votes);
        self.ballots.clear();
        if hold { Ok(()) } else { Err(ProofError::Signature) }
    }
}

impl Ballot<'_> {
    fn votes(&self) -> impl Iterator<Item = Vote<'_>> {
        let message = &self.message;
        let pairs = self.keys.iter().zip(self.signatures);
        pairs.map(move |(public, signature)| Vote { public, message, signature })
    }
}

/// Reads the engine's encoding of a finalization: the proposal (epoch, view, parent view as varints,
/// payload), the bitmap (bits as big-endian `u64`, then its bytes) and the signatures (count as
/// varint, 64 bytes each). Gives the digest of the finalised block with it.
///
/// `committee_size` is the number of members who may sign. A certificate states it as well, outside of
/// what is signed and of what [`Finalization`] keeps, so this is the one place that can compare them.
///
/// # Errors
/// [`ProofError::Malformed`] when the bytes are not exactly that, [`ProofError::TooLarge`] for more
/// than [`COMMITTEE_MAX`] members, [`ProofError::Signers`] for another number than `committee_size`.
pub fn decode_finalization(
    bytes: &[u8],
    committee_size: usize,
) -> Result<(Digest, Finalization), ProofError> {
    let mut rest = bytes;
    let epoch = take_varint(&mut rest)?;
    let view = take_varint(&mut rest)?;
    let parent_view = take_varint(&mut rest)?;
    let payload = Digest(*take(&mut rest)?);
    let members = u64::from_be_bytes(*take(&mut rest)?);
    let members = usize::try_from(members).map_err(|_| ProofError::TooLarge)?;
    if members > COMMITTEE_MAX {
        return Err(ProofError::TooLarge);
    }
    if members != committee_size {
        return Err(ProofError::Signers);
    }
    let (signers, after) =
        rest.split_at_checked(members.div_ceil(8)).ok_or(ProofError::Malformed)?;
    rest = after;
    let count = take_varint(&mut rest)?;
    let (signatures, after) = rest.as_chunks();
    if !after.is_empty() || signatures.len() as u64 != count {
        return Err(ProofError::Malformed);
    }
    let (signers, signatures) = (signers.to_vec(), signatures.to_vec());
    Ok((payload, Finalization { epoch, view, parent_view, signers, signatures }))
}

/// LEB128: seven bits per byte, lowest first, the top bit says that more follow.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, ProofError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = *take(bytes)?;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit; a last byte of zero is superfluous.
        if (shift == 63 && bits > 1) || (shift > 0 && byte == 0) {
            return Err(ProofError::Malformed);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ProofError::Malformed)
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Result<&'a [u8; N], ProofError> {
    let (first, rest) = bytes.split_first_chunk().ok_or(ProofError::Malformed)?;
    *bytes = rest;
    Ok(first)
}
