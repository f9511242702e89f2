//! Bytes as text: lower-case hexadecimal, one spelling per value.

/// Reads exactly `N` bytes of lower-case hexadecimal. Upper case is refused so that one value has
/// one text, and texts can be compared.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}
