//! The file that vouches for a member that has never voted (docs/durability.md, section 9).
//!
//! `hanse node init` and `hanse up` put it into the data directory beside the keys they make; the first start writes the
//! fact into the log and removes the file. A directory with neither was wiped, or is somebody else's.

use std::path::{Path, PathBuf};

use crate::{
    exit::{Attempt as _, Exit, Failure},
    home,
};

/// Its name; the text in it is the member's public consensus key.
const NAME: &str = "never-voted";
/// Bytes of the file: a key in text has less than a hundred.
const BYTES_MAX: u64 = 1_024;

fn path(data: &Path) -> PathBuf {
    data.join(NAME)
}

/// Vouches that `consensus`, made just now, has never voted.
///
/// # Errors
/// When the directory or the file cannot be written.
pub(super) fn vouch(data: &Path, consensus: &str) -> Result<(), Failure> {
    home::private_dir(data)?;
    home::write_private(&path(data), format!("{consensus}\n").as_bytes())
}

/// Whether `data` vouches for this key.
pub(super) fn is_vouched(data: &Path, consensus: &str) -> bool {
    home::read_text(&path(data), BYTES_MAX).is_ok_and(|text| text.trim() == consensus)
}

/// Removes the file: from now on the log itself says so.
///
/// # Errors
/// When it is there and cannot be removed.
pub(super) fn withdraw(data: &Path) -> Result<(), Failure> {
    let path = path(data);
    if !path.exists() {
        return Ok(());
    }
    std::fs::remove_file(&path)
        .and_then(|()| std::fs::File::open(data)?.sync_all())
        .attempt(Exit::Environment, || format!("could not remove {}", path.display()))
}
