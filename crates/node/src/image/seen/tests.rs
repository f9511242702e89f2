//! The memory never goes back, and is never lost silently.

use super::*;

fn at(height: u64) -> Checkpoint {
    Checkpoint {
        height,
        time_ms: 0,
        header: Digest([height as u8; 32]),
        header_height: height,
        signed: 3,
        of: 4,
        need: 3,
        epoch: 0,
    }
}

#[test]
fn only_newer_heights_and_sequence_numbers_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::find(Some(dir.path().to_path_buf())).unwrap();
    let seen = Seen::new(&home, Digest([5; 32]));
    assert_eq!(seen.recall("r", Some("v1")).unwrap(), Memory::default());
    seen.remember(&at(9), Some(("r", "v1", 4))).unwrap();
    seen.remember(&at(7), Some(("r", "v1", 3))).unwrap();
    let wanted = Memory { newest: Some((9, Digest([9; 32]))), seq: Some(4) };
    assert_eq!(seen.recall("r", Some("v1")).unwrap(), wanted);
    assert_eq!(seen.recall("r", Some("v2")).unwrap().seq, None);
    let other = Seen::new(&home, Digest([6; 32]));
    assert_eq!(other.recall("r", Some("v1")).unwrap(), Memory::default());
}

#[test]
fn a_damaged_memory_is_an_error_not_a_blank_page() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::find(Some(dir.path().to_path_buf())).unwrap();
    std::fs::write(home.seen(), "{").unwrap();
    let failure = Seen::new(&home, Digest([5; 32])).recall("r", None).unwrap_err();
    assert_eq!(failure.exit, Exit::Malformed);
}
