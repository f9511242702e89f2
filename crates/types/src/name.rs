//! Which strings may be names.

use crate::limits::NAME_BYTES_MAX;

/// Why a string cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Zero bytes.
    #[error("a name must not be empty")]
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes.
    #[error("a name has at most 63 bytes")]
    Long,
    /// Something other than `a-z`, `0-9` and inner `-`.
    #[error("a name has only lower-case letters, digits and inner hyphens")]
    Letters,
}

/// Checks that `name` is an RFC 1123 label: what Kubernetes and DNS accept too.
///
/// # Errors
/// [`NameError`] naming the rule that is broken.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::Long);
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let bytes = name.as_bytes();
    let edges = bytes[0] != b'-' && bytes[bytes.len() - 1] != b'-';
    if edges && bytes.iter().all(|b| inner(*b)) { Ok(()) } else { Err(NameError::Letters) }
}

/// Checks that `name` may name a space. The empty name is the system space, which no client writes.
///
/// # Errors
/// As [`check_name`].
pub fn check_space(name: &str) -> Result<(), NameError> {
    check_name(name)
}
