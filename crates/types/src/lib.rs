//! The words of the house and their one canonical encoding.
//!
//! Everything here is data: names, shapes, limits. Nothing decides. The encoding is Borsh
//! (<https://borsh.io>): little-endian integers, `u32` lengths, enum tags of one byte, no alternatives,
//! so that one value has exactly one byte string. The page `docs/formats/block.md` lists the layouts.
#![no_std]
extern crate alloc;

pub mod limits;
mod name;

mod genesis;
pub use genesis::{
    ChainParams, Committee, CommitteeMember, Genesis, GenesisOrganisation, ParamsError, Threshold,
    faults,
};

mod membership;
pub use membership::{
    Applicant, ConsensusKeyUse, Hurry, Leaver, MembershipAction, Motion, MotionState, OpenMotions,
    POSSESSION_DOMAIN, READY_DOMAIN, Seat, SeatChange, Seats, Vote, possession_message,
    ready_message,
};

mod action;
pub use action::{
    Action, Compare, CompareOp, CompareTarget, Grant, ImageAction, KvAction, KvOp,
    OrganisationAction, SpaceAction,
};

mod command;
pub use command::{
    COMMAND_DOMAIN, Command, CommandKind, SESSION_DOMAIN, SessionBatch, SessionItem,
    SessionPayload, SignedCommand, SignedPayload,
};

mod block;
pub use block::{Block, Body, Header, Place, Segment, segment_digest};

mod outcome;
pub use outcome::{Actor, Event, EventKind, Evidence, Receipt, Refusal, Status};

mod image;
pub use image::{
    Descriptor, ImageContent, Namespace, NamespaceMember, Platform, PlatformImage, Release,
    ReleaseState, Tag,
};

mod aside;
pub use aside::Aside;

mod record;
pub use record::{
    Account, AccountState, Gateway, Organisation, Record, RecordRef, Role, Space, StateKey,
};

pub use hanse_crypto::{Digest, PublicKey, Signature};
pub use name::{AddressError, NameError, check_address, check_name, check_space};

/// Numbers blocks; the genesis block is 0.
pub type Height = u64;
/// Numbers the effective commands of one space; 1 is the state of a new space, as in etcd.
pub type Revision = u64;
/// Milliseconds since the Unix epoch. Block time, never a member's own clock.
pub type TimeMs = u64;

/// Encodes `value` canonically.
pub fn encode<T: borsh::BorshSerialize>(value: &T) -> alloc::vec::Vec<u8> {
    borsh::to_vec(value).expect("writing to a vector cannot fail")
}

/// Decodes one `T` from exactly `bytes`.
///
/// # Errors
/// [`DecodeError`] if `bytes` is not the encoding of a `T`, or if anything follows it.
pub fn decode<T: borsh::BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    borsh::from_slice(bytes).map_err(|_| DecodeError)
}

/// The bytes are not the canonical encoding of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a canonical encoding of what was expected")]
pub struct DecodeError;

#[cfg(test)]
mod tests;
