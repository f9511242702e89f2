//! Two checkouts and one target folder.

use super::*;

fn checkout(at: &Path) -> PathBuf {
    let source = at.join("crates/one/src/lib.rs");
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    fs::write(&source, "").unwrap();
    fs::File::options()
        .append(true)
        .open(&source)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    source
}

fn is_old(source: &Path) -> bool {
    fs::metadata(source).unwrap().modified().unwrap() == SystemTime::UNIX_EPOCH
}

#[test]
fn another_checkouts_crates_are_never_taken_for_ours() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, target) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("target"));
    let (of_a, of_b) = (checkout(&a), checkout(&b));
    claim(&a, &target).unwrap();
    assert!(!is_old(&of_a) && is_old(&of_b));
    checkout(&a);
    claim(&a, &target).unwrap();
    assert!(is_old(&of_a), "its own build is still fresh");
    claim(&b, &target).unwrap();
    assert!(!is_old(&of_b));
    claim(&a, &target).unwrap();
    assert!(!is_old(&of_a), "the other one has built in between");
}

#[test]
fn only_what_nobody_has_written_into_for_long_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    for folder in [&old, &new] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
    }
    fs::File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    forget(dir.path(), Duration::from_secs(3_600));
    assert!(!old.exists() && new.join("file").exists());
    forget(&dir.path().join("none"), Duration::ZERO);
}

#[test]
fn every_crate_of_this_workspace_is_found() {
    let found = crate_roots(root());
    for dir in ["crates/types", "crates/node", "simulator", "xtask"] {
        assert!(found.iter().any(|file| file.starts_with(root().join(dir))), "{dir}");
    }
}
