//! Where a password comes from: a private file, or a prompt on a terminal; never the command line.

use std::{
    fs,
    io::{IsTerminal as _, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::exit::{Attempt as _, Exit, Failure};

/// Bytes of a password file; a password has far fewer.
const PASSWORD_BYTES_MAX: u64 = 4_096;
/// Bytes of randomness in a password made for a local network.
const RANDOM_BYTES: usize = 32;

/// A password; wiped when dropped.
pub(crate) type Password = Zeroizing<Vec<u8>>;

/// How the user gives a password.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PasswordArgs {
    /// File with the password of the key, readable by its owner alone; else it is asked for on a terminal.
    #[arg(long, env = "HANSE_PASSWORD_FILE", value_name = "FILE", hide_env_values = true)]
    pub(crate) password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// The password of an existing key.
    ///
    /// # Errors
    /// When the file is missing or open to others, and when there is neither file nor terminal.
    pub(crate) fn existing(&self, of: &str) -> Result<Password, Failure> {
        match &self.password_file {
            Some(path) => from_file(path),
            None => prompt(&format!("Password of {of}: ")),
        }
    }

    /// The password for a new key; on a terminal it is asked for twice.
    ///
    /// # Errors
    /// As [`Self::existing`], and when the two do not match.
    pub(crate) fn fresh(&self, of: &str) -> Result<Password, Failure> {
        if let Some(path) = &self.password_file {
            return from_file(path);
        }
        let first = prompt(&format!("New password of {of}: "))?;
        if *first != *prompt("The same again: ")? {
            return Err(Failure::new(Exit::Usage, "the two passwords are not the same"));
        }
        Ok(first)
    }
}

/// Reads a password file: its first line, which only its owner may read.
///
/// # Errors
/// When it is missing, no regular file, open to group or others, empty or over 4096 bytes.
pub(crate) fn from_file(path: &Path) -> Result<Password, Failure> {
    let what = || format!("could not read password file {}", path.display());
    let refuse = |why: String| Failure::new(Exit::Environment, format!("{}: {why}", what()));
    if !fs::metadata(path).attempt(Exit::Environment, what)?.is_file() {
        return Err(refuse("it is not a regular file".to_owned()));
    }
    let file = fs::File::open(path).attempt(Exit::Environment, what)?;
    // Asked of the open file: the path may lead elsewhere by now.
    let mode = file.metadata().attempt(Exit::Environment, what)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("its mode {mode:03o} lets others read it");
        return Err(refuse(why).fix(format!("chmod 600 {}", path.display())));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(PASSWORD_BYTES_MAX + 1).read_to_end(&mut bytes).attempt(Exit::Environment, what)?;
    if bytes.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(refuse(format!("it is larger than {PASSWORD_BYTES_MAX} bytes")));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(refuse("it is empty".to_owned()));
    }
    Ok(bytes)
}

/// A random password in hexadecimal digits, for keys whose password file lies beside them.
pub(crate) fn random() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(bytes.as_mut())
        .map_err(|error| error.to_string())
        .attempt(Exit::Environment, || "could not get randomness from the system".to_owned())?;
    Ok(Zeroizing::new(hex::encode(bytes.as_ref())))
}

fn prompt(text: &str) -> Result<Password, Failure> {
    let term = console::Term::stderr();
    if !term.is_term() || !std::io::stdin().is_terminal() {
        let what = "a password is needed, and there is no terminal to ask on";
        let fix = "name a file with --password-file or HANSE_PASSWORD_FILE";
        return Err(Failure::new(Exit::Usage, what).fix(fix));
    }
    let what = || "could not ask for the password".to_owned();
    term.write_str(text).attempt(Exit::Environment, what)?;
    let line = term.read_secure_line().attempt(Exit::Environment, what)?;
    if line.is_empty() {
        return Err(Failure::new(Exit::Usage, "an empty password protects nothing"));
    }
    Ok(Zeroizing::new(line.into_bytes()))
}

#[cfg(test)]
mod tests;
