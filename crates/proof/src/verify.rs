//! The judgement: bytes and a trust root in, facts or one reason out. No clock, no network.

use alloc::string::String;
use alloc::vec::Vec;

use hanse_crypto::Digest;
use hanse_types::{Committee, Header, Height, Record, TimeMs};

use crate::branch::StateBranch;
use crate::claim::{Claim, Entry, Kind, StateProofItem};
use crate::error::ProofError;
use crate::finalization::{Finalization, Votes};
use crate::proof::{Handover, Proof};
use crate::trust::{TrustRoot, is_committee};

/// Header layout this program knows.
const HEADER_VERSION: u16 = 1;
/// Layout of the map this program knows.
const STATE_VERSION: u16 = 1;

/// What a proof establishes, given its trust root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What was proved.
    pub kind: Kind,
    /// The claim; every field of it holds.
    pub claim: Claim,
    /// The chain.
    pub chain_id: Digest,
    /// The block the claim is about: that of the receipt or event, the settled height of a state
    /// root, the last height of the epoch for a hand-over.
    pub height: Height,
    /// The header that carries the claim's root.
    pub header: Header,
    /// Its digest.
    pub header_digest: Digest,
    /// Height of the header the quorum signed: `header` itself or a descendant.
    pub certified_height: Height,
    /// Digest of the header the quorum signed.
    pub certified_digest: Digest,
    /// Time of `header`, in milliseconds since the Unix epoch: what is claimed held at this time.
    pub time_ms: TimeMs,
    /// Organisations of the members that signed, by rank.
    pub signers: Vec<String>,
    /// The count.
    pub quorum: Quorum,
}

/// How many signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Members that signed.
    pub signed: usize,
    /// Members of the committee.
    pub of: usize,
    /// Members a certificate needs.
    pub need: usize,
    /// Epoch of the certified header; the members may have been proved to sit in an earlier one.
    pub epoch: u64,
}

/// Checks a proof. Nothing it says is believed before the hashes and signatures that lead to `trust` hold.
///
/// # Errors
/// The first [`ProofError`] found; its variants say which check failed.
pub fn verify(bytes: &[u8], trust: &TrustRoot) -> Result<Verified, ProofError> {
    trust.check()?;
    let proof = Proof::decode(bytes)?;
    if proof.chain_id != trust.chain_id {
        return Err(ProofError::Chain);
    }
    if proof.anchor_epoch != trust.committee.epoch {
        return Err(ProofError::AnchorEpoch);
    }
    let mut committee = &trust.committee;
    let mut votes = Votes::default();
    for Handover { header, finalization, committee: next } in &proof.handovers {
        let headers = core::slice::from_ref(header);
        check_chain(trust, committee, headers, finalization, &mut votes)?;
        check_handover(trust, header, next)?;
        if next.members == committee.members {
            return Err(ProofError::Superfluous);
        }
        committee = next;
    }
    let ranks = check_chain(trust, committee, &proof.headers, &proof.finalization, &mut votes)?;
    votes.check()?;
    let [header, ..] = &proof.headers[..] else {
        return Err(ProofError::Malformed);
    };
    let certified = &proof.headers[proof.headers.len() - 1];
    if trust.pinned.is_some_and(|pinned| certified.height < pinned.height) {
        return Err(ProofError::Stale);
    }
    let height = match &proof.claim {
        Claim::Handover { committee: next } => {
            check_handover(trust, header, next)?;
            header.height
        }
        claim => check_claim(claim, header)?,
    };
    Ok(Verified {
        kind: proof.claim.kind(),
        chain_id: proof.chain_id,
        height,
        header_digest: header.digest(),
        certified_height: certified.height,
        certified_digest: certified.digest(),
        time_ms: header.timestamp_ms,
        signers: ranks.iter().map(|r| committee.members[*r].organisation.clone()).collect(),
        quorum: Quorum {
            signed: ranks.len(),
            of: committee.members.len(),
            need: committee.quorum(),
            epoch: certified.place.epoch,
        },
        header: header.clone(),
        claim: proof.claim,
    })
}

/// The headers are of this chain, of one epoch in which the members of `trusted` sit, linked, agree with
/// the pinned block, and the last one is certified by these members. Gives the signers' ranks; the
/// signatures are left to `votes`.
///
/// Which epoch that is, is not asked beyond its not being before `trusted`'s: honest members sign only headers
/// that name the committee of their chain (docs/formats/proof.md section 5).
fn check_chain<'a>(
    trust: &TrustRoot,
    trusted: &Committee,
    headers: &[Header],
    finalization: &'a Finalization,
    votes: &mut Votes<'a>,
) -> Result<Vec<usize>, ProofError> {
    let first = headers.first().ok_or(ProofError::Malformed)?;
    let sitting = Committee { epoch: first.place.epoch, members: trusted.members.clone() };
    let committee_digest = sitting.digest();
    let mut parent: Option<(Digest, Height)> = None;
    for header in headers {
        if header.version != HEADER_VERSION {
            return Err(ProofError::HeaderVersion);
        }
        if header.chain_id != trust.chain_id {
            return Err(ProofError::Chain);
        }
        if header.place.epoch < trusted.epoch || header.place.epoch != sitting.epoch {
            return Err(ProofError::Epoch);
        }
        if header.height / trust.epoch_blocks != header.place.epoch {
            return Err(ProofError::EpochHeight);
        }
        if header.committee != committee_digest {
            return Err(ProofError::Committee);
        }
        if let Some((digest, height)) = parent {
            if header.parent != digest {
                return Err(ProofError::Parent);
            }
            if height.checked_add(1) != Some(header.height) {
                return Err(ProofError::Height);
            }
        }
        let digest = header.digest();
        if trust.pinned.is_some_and(|p| p.height == header.height && p.digest != digest) {
            return Err(ProofError::Pinned);
        }
        parent = Some((digest, header.height));
    }
    let (payload, _) = parent.ok_or(ProofError::Malformed)?;
    finalization.count(&trust.chain_id, &sitting, &payload, votes)
}

/// `header`, of which [`check_chain`] was asked, is the last of its epoch and names `to` as the next committee.
fn check_handover(trust: &TrustRoot, header: &Header, to: &Committee) -> Result<(), ProofError> {
    let last = header.height.checked_add(1).is_some_and(|h| h.is_multiple_of(trust.epoch_blocks));
    let next = header.place.epoch.checked_add(1) == Some(to.epoch);
    if last && next && is_committee(to) && header.next_committee == to.digest() {
        Ok(())
    } else {
        Err(ProofError::Handover)
    }
}

/// The claim holds under a root in `header`. Gives the height it is about.
fn check_claim(claim: &Claim, header: &Header) -> Result<Height, ProofError> {
    match claim {
        Claim::Receipt { receipt, command, actor, path } => {
            if receipt.height.checked_add(1) != Some(header.height) {
                return Err(ProofError::ClaimHeight);
            }
            if path.root(&receipt.digest()) != header.receipt_root {
                return Err(ProofError::Receipt);
            }
            content(command.as_ref().is_none_or(|c| c.id() == receipt.command))?;
            content(actor.as_ref().is_none_or(|a| a.digest() == receipt.actor))?;
            Ok(receipt.height)
        }
        Claim::Event { event, key, value, actor, path } => {
            let height = header.height.checked_sub(1).ok_or(ProofError::ClaimHeight)?;
            if path.root(&event.digest()) != header.event_root {
                return Err(ProofError::Event);
            }
            content(key.as_ref().is_none_or(|k| Record::slot(k) == event.key_hash))?;
            content(value.as_ref().is_none_or(|v| Record::value_hash(v) == event.value_hash))?;
            content(actor.as_ref().is_none_or(|a| a.digest() == event.actor))?;
            Ok(height)
        }
        Claim::State(item) => check_item(item, header),
        Claim::Image { items } => {
            items.iter().try_for_each(|item| check_item(item, header).map(drop))?;
            Ok(header.settled_height)
        }
        Claim::Range { entries } => {
            entries.iter().try_for_each(|entry| check_entry(entry, header))?;
            // Nothing lies between two neighbours exactly when the first names the second.
            let linked = |pair: &[Entry]| pair[0].record.next == pair[1].record.key;
            if !entries.windows(2).all(linked) {
                return Err(ProofError::Range);
            }
            Ok(header.settled_height)
        }
        Claim::Handover { .. } => Err(ProofError::Handover),
    }
}

fn check_item(item: &StateProofItem, header: &Header) -> Result<Height, ProofError> {
    match item {
        StateProofItem::Value(entry) => check_entry(entry, header)?,
        StateProofItem::Absence { before, branch } => check_record(before, branch, header)?,
    }
    Ok(header.settled_height)
}

fn check_entry(entry: &Entry, header: &Header) -> Result<(), ProofError> {
    check_record(&entry.record, &entry.branch, header)?;
    content(entry.value.as_ref().is_none_or(|v| Record::value_hash(v) == entry.record.value_hash))
}

fn check_record(record: &Record, branch: &StateBranch, header: &Header) -> Result<(), ProofError> {
    if header.state_version != STATE_VERSION {
        return Err(ProofError::StateVersion);
    }
    let root = branch.root(&Record::slot(&record.key), &record.digest());
    if root == Some(header.state_root) { Ok(()) } else { Err(ProofError::State) }
}

fn content(holds: bool) -> Result<(), ProofError> {
    if holds { Ok(()) } else { Err(ProofError::Content) }
}
