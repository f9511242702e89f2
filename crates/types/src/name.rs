//! Which strings may be names.

use core::net::Ipv6Addr;

use crate::limits::{ADDRESS_BYTES_MAX, NAME_BYTES_MAX};

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

/// Why a string is no member's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is host:port, with a DNS name, an IPv4 address or an IPv6 address in brackets")]
pub struct AddressError;

/// Checks that `address` is empty ("as configured") or `host:port`, where the host is a DNS name in lower case, an IPv4
/// address or an IPv6 address in brackets, and the port is decimal, not 0 and without leading zeros.
///
/// # Errors
/// [`AddressError`] for anything else, and over [`ADDRESS_BYTES_MAX`] bytes.
pub fn check_address(address: &str) -> Result<(), AddressError> {
    if address.is_empty() {
        return Ok(());
    }
    let (host, port) = address.rsplit_once(':').ok_or(AddressError)?;
    let decimal = !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
    let port = decimal && port.parse::<u16>().is_ok();
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| check_name(label).is_ok()),
    };
    if port && host && address.len() <= ADDRESS_BYTES_MAX { Ok(()) } else { Err(AddressError) }
}
