//! Check a receipt, value, absence, range, event or hand-over from bytes and a trust root alone.
