//! How large an honest proof can be. Over a limit the answer is [`crate::ProofError::TooLarge`], before anything is hashed.

use hanse_types::limits::{
    COMMAND_BYTES_MAX, COMMITTEE_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX,
};

/// Bytes of a whole proof: several of the largest values with their branches.
pub const PROOF_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Headers from the one that carries the root to the certified one. While members fail to certify,
/// blocks still chain; a thousand of them is minutes of that.
pub const HEADERS_MAX: usize = 1_024;
/// Hand-overs from the pinned committee to the signing one: one per change of members, so pin a newer root after that.
pub const HANDOVERS_MAX: usize = 1_024;
/// Records or items of one proof.
pub const ITEMS_MAX: usize = 4_096;
/// Siblings of a receipt or event: a block has far fewer than 2^32 of either.
pub const SIBLINGS_MAX: usize = 32;
/// Bytes of one encoded header; the layout has a fixed size of 375.
pub const HEADER_BYTES_MAX: usize = 512;
/// Bytes of one key of the state: kind, space and its end, client's key.
pub const STATE_KEY_BYTES_MAX: usize = KEY_BYTES_MAX + NAME_BYTES_MAX + 2;
/// Bytes of one encoded record: two keys and fixed fields.
pub const RECORD_BYTES_MAX: usize = 2 * STATE_KEY_BYTES_MAX + 128;
/// Bytes of an encoded receipt, event or actor: fixed fields and short names.
pub const CLAIM_BYTES_MAX: usize = 1_024;
/// Bytes of one disclosed value.
pub const DISCLOSED_VALUE_MAX: usize = VALUE_BYTES_MAX;
/// Bytes of one disclosed command.
pub const DISCLOSED_COMMAND_MAX: usize = COMMAND_BYTES_MAX as usize;
/// Bytes of an encoded committee: per seat a key and a name with its length.
pub const COMMITTEE_BYTES_MAX: usize = 12 + COMMITTEE_MAX * (32 + 4 + NAME_BYTES_MAX);
/// Bytes of a signer bitmap.
pub const SIGNERS_BYTES_MAX: usize = COMMITTEE_MAX.div_ceil(8);
/// Signatures checked in one equation: a forged file of the largest size is refused after so many and one
/// certificate, and the gain per signature hardly grows from here on.
pub const VOTES_AT_ONCE: usize = 256;
