//! Every decoder of foreign bytes, callable with plain bytes. None may panic, whatever it is given; what they say does not matter here.

use crate::limits::MAX_DOCUMENT_BYTES;
use crate::manifest::{ACCEPTED, parse_config, parse_document};
use crate::reference::ImageRef;
use crate::tarball::Walker;
use crate::unpack::{Budget, Packing, Unpacker};

/// Unpacked bytes a fuzzed layer may produce.
const FUZZ_BUDGET: u64 = MAX_DOCUMENT_BYTES as u64;

/// A manifest or index, announced as each accepted media type and as none.
pub fn document(bytes: &[u8]) {
    let announced = ACCEPTED.split(", ").map(Some).chain([None]);
    for media_type in announced {
        // Only the absence of a panic counts.
        let _ = parse_document(bytes, media_type);
    }
}

/// An image configuration.
pub fn config(bytes: &[u8]) {
    let _ = parse_config(bytes);
}

/// An image reference; one that parses must come back the same from its canonical form.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(name) = text.parse::<ImageRef>() {
        let again = name.to_string().parse::<ImageRef>();
        assert_eq!(again.as_ref(), Ok(&name), "the canonical form of a name must mean the name");
    }
}

/// An archive.
pub fn archive(bytes: &[u8]) {
    let mut walker = Walker::new(bytes);
    while let Ok(Some(_)) = walker.next() {}
}

/// A packed layer.
pub fn layer(bytes: &[u8]) {
    let budget = Budget::new(FUZZ_BUDGET);
    let algorithm = crate::Algorithm::Sha256;
    let mut unpacker = Unpacker::new(Packing::ByContent, algorithm, budget, std::io::sink());
    if unpacker.write(bytes).is_ok() {
        let _ = unpacker.finish();
    }
}

/// A challenge header and an error answer of a registry.
pub fn registry_answer(bytes: &[u8]) {
    crate::registry::fuzz_answer(bytes);
}
