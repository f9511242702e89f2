//! Edges of password files.

use super::*;

#[test]
fn a_password_file_open_to_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    fs::write(&path, "secret\n").unwrap();
    for mode in [0o640, 0o604, 0o660, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let failure = from_file(&path).unwrap_err();
        assert_eq!(failure.exit, Exit::Environment, "{mode:o}");
        assert!(failure.remedy().unwrap().starts_with("chmod 600"));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(from_file(&path).unwrap().as_slice(), b"secret");
}

#[test]
fn an_empty_or_missing_password_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    assert!(from_file(&path).is_err());
    fs::write(&path, "\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(from_file(&path).unwrap_err().reason().contains("empty"));
    assert!(from_file(dir.path()).unwrap_err().reason().contains("regular"));
}
