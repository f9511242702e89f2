//! Tests of packed layers.

use super::{Budget, Packing, UnpackError, Unpacker, packing};
use crate::digest::{Algorithm, Digest};
use crate::testing::{gzip, zstd};

const MIB: u64 = 1024 * 1024;

fn unpack_with(
    stated: Packing,
    bytes: &[u8],
    piece: usize,
    limit: u64,
) -> Result<Digest, UnpackError> {
    let budget = Budget::new(limit);
    let mut unpacker = Unpacker::new(stated, Algorithm::Sha256, budget, std::io::sink());
    for piece in bytes.chunks(piece) {
        unpacker.write(piece)?;
    }
    unpacker.finish().map(|done| done.digest)
}

fn unpack(stated: Packing, bytes: &[u8]) -> Result<Digest, UnpackError> {
    unpack_with(stated, bytes, 1000, MIB)
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index * index % 251).unwrap()).collect()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

#[test]
fn every_packing_gives_the_same_diff_id_in_any_pieces() {
    let plain = data(300_000);
    let packed = [
        (Packing::Plain, plain.clone()),
        (Packing::Gzip, gzip(&plain)),
        (Packing::Zstd, zstd(&plain)),
    ];
    for (kind, bytes) in packed {
        for stated in [kind, Packing::ByContent] {
            for piece in [1, 7, 4096, bytes.len()] {
                let found = unpack_with(stated, &bytes, piece, MIB).unwrap();
                assert_eq!(found, digest(&plain), "{kind:?} in pieces of {piece}");
            }
        }
    }
}

#[test]
fn output_that_exactly_fills_the_buffer_is_complete() {
    for length in [128 * 1024, 256 * 1024, 128 * 1024 + 1, 0, 1] {
        let plain = data(length);
        let found = unpack(Packing::Zstd, &zstd(&plain)).unwrap();
        assert_eq!(found, digest(&plain), "{length}");
    }
}

#[test]
fn an_empty_layer_is_plain() {
    assert_eq!(unpack(Packing::ByContent, b"").unwrap(), digest(b""));
    assert!(unpack(Packing::Gzip, b"").is_err());
    assert!(unpack(Packing::Zstd, b"").is_err());
}

#[test]
fn concatenated_members_and_frames_are_one_stream() {
    let (a, b) = (data(5000), data(70));
    let whole = [a.clone(), b.clone()].concat();
    for piece in [1, 3, 10_000] {
        let members = [gzip(&a), gzip(&b), gzip(b"")].concat();
        assert_eq!(unpack_with(Packing::Gzip, &members, piece, MIB).unwrap(), digest(&whole));
        let frames = [zstd(&a), zstd(&b)].concat();
        assert_eq!(unpack_with(Packing::Zstd, &frames, piece, MIB).unwrap(), digest(&whole));
    }
}

#[test]
fn skippable_zstd_frames_carry_nothing() {
    let skippable = [&[0x53, 0x2A, 0x4D, 0x18, 4, 0, 0, 0][..], b"toc!"].concat();
    let plain = data(100);
    for bytes in [[skippable.clone(), zstd(&plain)].concat(), [zstd(&plain), skippable].concat()] {
        assert_eq!(unpack(Packing::Zstd, &bytes).unwrap(), digest(&plain));
    }
}

#[test]
fn trailing_garbage_is_refused() {
    for garbage in [&b"garbage!"[..], &[0; 16], b"\x1f", b"\x1f\x8b", b"\x28\xb5\x2f"] {
        for (kind, packed) in [(Packing::Gzip, gzip(b"data")), (Packing::Zstd, zstd(b"data"))] {
            for piece in [1, 1000] {
                let bytes = [packed.as_slice(), garbage].concat();
                let result = unpack_with(kind, &bytes, piece, MIB);
                assert!(
                    matches!(result, Err(UnpackError::Broken(_))),
                    "{kind:?} and {garbage:?} in {piece}"
                );
            }
        }
    }
}

#[test]
fn truncation_is_refused_at_every_byte() {
    let plain = data(500);
    for (kind, packed) in [(Packing::Gzip, gzip(&plain)), (Packing::Zstd, zstd(&plain))] {
        for length in 1..packed.len() {
            assert!(unpack(kind, &packed[..length]).is_err(), "{kind:?} cut to {length}");
        }
    }
}

#[test]
fn damaged_gzip_is_noticed_by_its_checksum() {
    let plain = data(500);
    let packed = gzip(&plain);
    for at in 0..packed.len() {
        let mut damaged = packed.clone();
        damaged[at] ^= 0x55;
        if let Ok(found) = unpack(Packing::Gzip, &damaged) {
            // Only header fields without meaning (time, level, system) may change freely.
            assert!((4..10).contains(&at), "byte {at} was accepted");
            assert_eq!(found, digest(&plain));
        }
    }
}

#[test]
fn bombs_stop_at_the_budget() {
    let zeros = vec![0; 64 * 1024 * 1024];
    for (kind, packed) in [(Packing::Gzip, gzip(&zeros)), (Packing::Zstd, zstd(&zeros))] {
        assert!(packed.len() < 1024 * 1024);
        let result = unpack_with(kind, &packed, packed.len(), MIB);
        assert!(
            matches!(result, Err(UnpackError::OverBudget(limit)) if limit == MIB),
            "{kind:?}: {result:?}"
        );
    }
    let result = unpack_with(Packing::Plain, &zeros[..2 * 1024 * 1024], 4096, MIB);
    assert!(matches!(result, Err(UnpackError::OverBudget(_))));
}

#[test]
fn the_budget_holds_at_its_edge_and_is_shared() {
    let plain = data(1000);
    assert!(unpack_with(Packing::Gzip, &gzip(&plain), 100, 1000).is_ok());
    assert!(unpack_with(Packing::Gzip, &gzip(&plain), 100, 999).is_err());
    let budget = Budget::new(1500);
    let mut results = Vec::new();
    for _ in 0..2 {
        let mut unpacker =
            Unpacker::new(Packing::Gzip, Algorithm::Sha256, budget.clone(), std::io::sink());
        results
            .push(unpacker.write(&gzip(&plain)).and_then(|()| unpacker.finish().map(drop)).is_ok());
    }
    assert_eq!(results, [true, false]);
}

#[test]
fn zstd_windows_beyond_the_limit_are_refused() {
    use std::io::Write as _;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&data(100)).unwrap();
    encoder.flush().unwrap();
    encoder.write_all(&data(100)).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(matches!(unpack(Packing::Zstd, &packed), Err(UnpackError::Broken(_))));
}

#[test]
fn content_that_contradicts_its_media_type_is_refused() {
    let plain = data(100);
    let forms = [
        (Packing::Plain, plain.clone()),
        (Packing::Gzip, gzip(&plain)),
        (Packing::Zstd, zstd(&plain)),
    ];
    for (kind, bytes) in &forms {
        for stated in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            assert_eq!(
                unpack(stated, bytes).is_ok(),
                stated == *kind,
                "{kind:?} called {stated:?}"
            );
        }
    }
}

#[test]
fn packings_follow_from_media_types() {
    let cases = [
        ("application/vnd.oci.image.layer.v1.tar", Ok(Packing::Plain)),
        ("application/vnd.oci.image.layer.v1.tar+gzip", Ok(Packing::Gzip)),
        ("application/vnd.oci.image.layer.v1.tar+zstd", Ok(Packing::Zstd)),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Ok(Packing::Gzip)),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", Ok(Packing::ByContent)),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Ok(Packing::ByContent)),
        ("application/vnd.in-toto+json", Ok(Packing::Opaque)),
        ("application/vnd.oci.image.layer.v1.tar+xz", Err(())),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", Err(())),
        ("application/vnd.docker.image.rootfs.diff.tar.xz", Err(())),
    ];
    for (media_type, expected) in cases {
        assert_eq!(packing(media_type).map_err(drop), expected, "{media_type}");
    }
}
