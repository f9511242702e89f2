//! The pinned trust root: where all belief in an answer starts.

use std::path::Path;

use hanse_proof::{ProofError, TrustFile, Verified};
use hanse_types::Digest;

use crate::{
    cli::TrustArgs,
    exit::{Attempt as _, Exit, Failure},
    home::{self, Home},
};

/// Bytes of a trust root file: a committee of 64 and its genesis have about 40 KiB.
const TRUST_BYTES_MAX: u64 = 1024 * 1024;

/// A trust root that was read.
#[derive(Clone, Debug)]
pub(crate) struct TrustRoot {
    pub(crate) file: TrustFile,
}

impl TrustRoot {
    /// The named trust root, else the one in the home directory, else the local network's.
    ///
    /// # Errors
    /// [`Exit::Usage`] when there is none, [`Exit::Malformed`] when it is not one.
    pub(crate) fn find(args: &TrustArgs, home: &Home) -> Result<Self, Failure> {
        if let Some(path) = &args.trust_root {
            return Self::load(path);
        }
        let local = home::local_network()?.join("trust-root.json");
        match [home.trust_root(), local].iter().find(|path| path.is_file()) {
            Some(path) => Self::load(path),
            None => Err(Failure::new(Exit::Usage, "no trust root is pinned, so nothing can be checked")
                .fix("get trust-root.json from somebody you trust and name it with --trust-root or HANSE_TRUST_ROOT")),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Exit::Environment`] when it cannot be read, [`Exit::Malformed`] when it is not one.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = home::read_text(path, TRUST_BYTES_MAX)?;
        let file = TrustFile::parse(&text)
            .attempt(Exit::Malformed, || format!("{} cannot be used", path.display()))?;
        Ok(Self { file })
    }

    /// The chain all commands are signed for.
    pub(crate) fn chain_id(&self) -> Digest {
        self.file.root.chain_id
    }

    /// Checks a proof.
    ///
    /// # Errors
    /// Why it does not hold.
    pub(crate) fn verify(&self, bytes: &[u8]) -> Result<Verified, ProofError> {
        hanse_proof::verify(bytes, &self.file.root)
    }
}

/// 17 when the input is no proof at all, 16 when it is one that does not hold.
pub(crate) fn exit_of(error: ProofError) -> Exit {
    if error.is_malformed() { Exit::Malformed } else { Exit::Proof }
}
