//! The binary `hanse`.
fn main() {}
