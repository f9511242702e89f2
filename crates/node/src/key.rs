//! `hanse key`: secret keys of this user, each in a file under its own password.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use hanse_crypto::{
    PublicKey, SigningKey, Suite,
    keystore::{self, Cost, KeyFile, OpenError, Overwrite, ReadError, WriteError},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    cli::SignArgs,
    exit::{Attempt as _, Exit, Failure},
    home::{self, Home},
    out::{self, Out},
    password::PasswordArgs,
};

/// Domain of the signature by which a key's holder agrees to act for an organisation.
pub(crate) const POSSESSION_DOMAIN: &str = "hanse/possession/v1";
/// Bytes of a PEM file; a key has about 250.
const PEM_BYTES_MAX: u64 = 16 * 1024;

/// Verbs of `hanse key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Make a new key.
    #[command(
        after_help = "Example:\n  hanse key create ci --suite p256 --password-file ci.password"
    )]
    Create {
        /// Name in this keystore.
        name: String,
        /// Algorithm.
        #[arg(long, default_value = "ed25519", value_parser = ["ed25519", "p256", "secp256k1"])]
        suite: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// List the keys.
    #[command(after_help = "Example:\n  hanse key list -o json")]
    List,
    /// Show the public half of a key.
    #[command(after_help = "Example:\n  hanse key show ci")]
    Show {
        /// Name, or a key file.
        name: String,
    },
    /// Take over a key from PKCS#8 PEM.
    #[command(
        after_help = "Example:\n  openssl genpkey -algorithm ed25519 | hanse key import ci --from -"
    )]
    Import {
        /// Name in this keystore.
        name: String,
        /// PEM file; `-` reads stdin.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Write a key as unencrypted PKCS#8 PEM: whoever reads that has the key.
    #[command(after_help = "Example:\n  hanse key export ci --to ci.pem")]
    Export {
        /// Name, or a key file.
        name: String,
        /// File to write (mode 600); `-` writes stdout.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Sign that this key's holder agrees to be an account of an organisation.
    #[command(after_help = "\
Example:
  hanse key consent ci --organisation acme > consent.json
  hanse org account add --consent consent.json --role ci     (an admin of acme)")]
    Consent {
        /// Name, or a key file.
        name: String,
        /// The organisation.
        #[arg(long, value_name = "NAME")]
        organisation: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
}

/// The public half of a key, as shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    v: u8,
    name: String,
    account: String,
    suite: &'static str,
    public: String,
    file: PathBuf,
}

/// What [`KeyVerb::Consent`] prints and `org account add` reads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consent {
    v: u8,
    pub(crate) organisation: String,
    pub(crate) key: String,
    pub(crate) proof: String,
}

/// Runs one verb.
///
/// # Errors
/// [`Exit::Environment`] for files, [`Exit::NotAuthorised`] for a wrong password, [`Exit::Malformed`] for bad input.
pub(crate) fn run(verb: KeyVerb, home: &Home, out: Out) -> Result<(), Failure> {
    match verb {
        KeyVerb::Create { name, suite, password } => {
            let suite: Suite = suite.parse().attempt(Exit::Usage, || "no such suite".to_owned())?;
            let path = free_path(home, &name)?;
            let password = password.fresh(&name)?;
            let key = SigningKey::generate(suite);
            store(&key, &password, &path, Cost::default())?;
            answer_one(out, &name, key.public(), path);
        }
        KeyVerb::List => list(home, out)?,
        KeyVerb::Show { name } => {
            let path = path_of(home, &name)?;
            answer_one(out, &name, read(&path)?.public(), path);
        }
        KeyVerb::Import { name, from, password } => {
            let path = free_path(home, &name)?;
            let pem = read_pem(&from)?;
            let key = SigningKey::from_pkcs8_pem(&pem)
                .attempt(Exit::Malformed, || format!("could not import {}", from.display()))?;
            store(&key, &password.fresh(&name)?, &path, Cost::default())?;
            answer_one(out, &name, key.public(), path);
        }
        KeyVerb::Export { name, to, password } => {
            let path = path_of(home, &name)?;
            let key = open(&path, &password)?;
            let pem = key.to_pkcs8_pem();
            if to.as_os_str() == "-" {
                out::raw(pem.as_bytes());
            } else {
                home::write_private(&to, pem.as_bytes())?;
                out::note(format_args!("{} holds the key unencrypted; keep it safe", to.display()));
            }
        }
        KeyVerb::Consent { name, organisation, password } => {
            let key = open(&path_of(home, &name)?, &password)?;
            let consent = consent(&key, &organisation);
            out::line(serde_json::to_string(&consent).expect("texts serialise"));
        }
    }
    Ok(())
}

/// The statement of `key`'s holder for `organisation`.
pub(crate) fn consent(key: &SigningKey, organisation: &str) -> Consent {
    Consent {
        v: 1,
        organisation: organisation.to_owned(),
        key: key.public().to_string(),
        proof: key.sign(POSSESSION_DOMAIN, organisation.as_bytes()).to_string(),
    }
}

/// The key that is to sign: the named one, or the only one.
///
/// # Errors
/// When none is named and there is not exactly one; when it cannot be opened.
pub(crate) fn signer(args: &SignArgs, home: &Home) -> Result<SigningKey, Failure> {
    open(&signer_path(args, home)?, &args.password)
}

/// The file of [`signer`].
pub(crate) fn signer_path(args: &SignArgs, home: &Home) -> Result<PathBuf, Failure> {
    if let Some(name) = &args.key {
        return path_of(home, name);
    }
    let mut names = names(home)?;
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => path_of(home, &name),
        (None, _) => Err(Failure::new(Exit::Usage, "there is no key to sign with")
            .fix("make one with `hanse key create`, or name a key file with --key or HANSE_KEY")),
        _ => Err(Failure::new(Exit::Usage, "there are several keys to sign with")
            .fix("choose one of `hanse key list` with --key or HANSE_KEY")),
    }
}

/// Seals `key` into a new file.
///
/// # Errors
/// When the path is taken or not writable.
pub(crate) fn store(
    key: &SigningKey,
    password: &[u8],
    path: &Path,
    cost: Cost,
) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        home::private_dir(parent)?;
    }
    keystore::seal(key, password, cost).write(path, Overwrite::Refuse).map_err(|error| {
        let fix = match &error {
            WriteError::Exists { .. } => "choose another name; a key is never overwritten",
            _ => "check that the directory exists and is writable",
        };
        Failure::new(Exit::Environment, "the key was not stored").caused_by(error).fix(fix)
    })
}

/// Decrypts a key file.
///
/// # Errors
/// When it cannot be read, was changed, or the password does not fit.
pub(crate) fn open(path: &Path, password: &PasswordArgs) -> Result<SigningKey, Failure> {
    let file = read(path)?;
    let password = password.existing(&path.display().to_string())?;
    unlock(path, &file, &password)
}

/// [`open`] with the password at hand.
pub(crate) fn unlock(path: &Path, file: &KeyFile, password: &[u8]) -> Result<SigningKey, Failure> {
    file.open(password).map_err(|error| {
        let exit = match error {
            OpenError::WrongPassword => Exit::NotAuthorised,
            OpenError::Changed => Exit::Malformed,
        };
        Failure::new(exit, format!("could not open {}", path.display())).caused_by(error)
    })
}

/// Reads a key file without opening it.
///
/// # Errors
/// When it is missing, open to others, or no key file.
pub(crate) fn read(path: &Path) -> Result<KeyFile, Failure> {
    KeyFile::read(path).map_err(|error| {
        let exit = match &error {
            ReadError::Parse { .. } | ReadError::TooLarge { .. } => Exit::Malformed,
            _ => Exit::Environment,
        };
        let fix = match &error {
            ReadError::Exposed { .. } => Some(format!("chmod 600 {}", path.display())),
            ReadError::Io { .. } => Some("see `hanse key list` for the keys there are".to_owned()),
            _ => None,
        };
        let failure = Failure::new(exit, "the key cannot be used").caused_by(error);
        fix.into_iter().fold(failure, Failure::fix)
    })
}

/// A name of the keystore, or a path if it has a slash or is the name of a file.
pub(crate) fn path_of(home: &Home, name: &str) -> Result<PathBuf, Failure> {
    if name.contains('/') || Path::new(name).is_file() {
        return Ok(PathBuf::from(name));
    }
    named(home, name)
}

fn named(home: &Home, name: &str) -> Result<PathBuf, Failure> {
    hanse_types::check_name(name)
        .attempt(Exit::Usage, || format!("`{}` cannot be a key's name", out::shown(name)))?;
    Ok(home.keys().join(format!("{name}.json")))
}

fn free_path(home: &Home, name: &str) -> Result<PathBuf, Failure> {
    let path = named(home, name)?;
    if path.exists() {
        let what = format!("there is a key named {name} already");
        return Err(Failure::new(Exit::Environment, what).fix("choose another name"));
    }
    Ok(path)
}

fn names(home: &Home) -> Result<Vec<String>, Failure> {
    let dir = home.keys();
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => {
            other.attempt(Exit::Environment, || format!("could not list {}", dir.display()))?
        }
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".json").map(str::to_owned))
        .filter(|name| hanse_types::check_name(name).is_ok())
        .collect();
    names.sort();
    Ok(names)
}

fn list(home: &Home, out: Out) -> Result<(), Failure> {
    let mut keys = Vec::new();
    for name in names(home)? {
        let path = named(home, &name)?;
        keys.push(describe(&name, read(&path)?.public(), path));
    }
    let answer = serde_json::json!({ "v": 1, "keys": keys });
    out.answer(&answer, |_| {
        if keys.is_empty() {
            return "no keys yet; make one with `hanse key create NAME`".to_owned();
        }
        let rows = keys
            .iter()
            .map(|k| vec![k.name.clone(), k.suite.to_owned(), k.account.clone(), k.public.clone()]);
        out::table(&["name", "suite", "account", "public"], rows)
    });
    Ok(())
}

fn describe(name: &str, public: PublicKey, file: PathBuf) -> Shown {
    Shown {
        v: 1,
        name: name.to_owned(),
        account: public.id().to_string(),
        suite: public.suite().name(),
        public: public.to_string(),
        file,
    }
}

fn answer_one(out: Out, name: &str, public: PublicKey, file: PathBuf) {
    out.answer(&describe(name, public, file), |shown| {
        let Shown { name, account, public, file, .. } = shown;
        format!(
            "name     {name}\naccount  {account}\npublic   {public}\nfile     {}",
            file.display()
        )
    });
}

fn read_pem(from: &Path) -> Result<Zeroizing<String>, Failure> {
    if from.as_os_str() != "-" {
        return home::read_text(from, PEM_BYTES_MAX).map(Zeroizing::new);
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .take(PEM_BYTES_MAX)
        .read_to_string(&mut text)
        .attempt(Exit::Environment, || "could not read stdin".to_owned())?;
    Ok(text)
}
