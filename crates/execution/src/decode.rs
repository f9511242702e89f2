//! From the bytes of a command to what its author meant (DESIGN D14).

use hanse_types::{
    Action, Command, CommandKind, Digest, SessionBatch, SignedCommand, TimeMs, decode,
    limits::{COMMAND_BYTES_MAX, IDENTITY_BYTES_MAX, SESSION_ITEMS_MAX},
};

use crate::work::work;

/// A command whose bytes were understood. Says nothing yet about signature or rights.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// [`Command::id`].
    pub id: Digest,
    /// [`Command::size`].
    pub size: usize,
    /// Price in work units.
    pub work: u64,
    /// Space of its segment.
    pub space: String,
    /// What it says.
    pub authored: Authored,
}

/// The two classes of command (DESIGN D5).
#[derive(Clone, Debug)]
pub enum Authored {
    /// Under the author's own signature.
    Signed(SignedCommand),
    /// Under a gateway's.
    Session(SessionBatch),
}

/// Why bytes are no command. A block that carries such bytes is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeRefusal {
    /// Over [`COMMAND_BYTES_MAX`].
    #[error("the command has more than 2 MiB")]
    Large,
    /// Not a kind of this protocol version.
    #[error("the command's kind is unknown")]
    Kind,
    /// Not the canonical encoding of its kind.
    #[error("the command's bytes are not a canonical encoding")]
    Encoding,
    /// No items, too many, an over-long identity, or an action of another space.
    #[error("the session batch is malformed")]
    Batch,
}

impl Decoded {
    /// Reads a command.
    ///
    /// # Errors
    /// [`DecodeRefusal`], see its variants.
    pub fn read(command: &Command) -> Result<Self, DecodeRefusal> {
        Self::read_as(command, command.id())
    }

    /// [`Decoded::read`] of a command whose id is known.
    pub(crate) fn read_as(command: &Command, id: Digest) -> Result<Self, DecodeRefusal> {
        if command.size() > COMMAND_BYTES_MAX as usize {
            return Err(DecodeRefusal::Large);
        }
        let (authored, space) = if command.kind == CommandKind::Signed as u16 {
            let signed: SignedCommand =
                decode(&command.bytes).map_err(|_| DecodeRefusal::Encoding)?;
            let space = signed.payload.action.space().to_owned();
            (Authored::Signed(signed), space)
        } else if command.kind == CommandKind::Session as u16 {
            let batch: SessionBatch =
                decode(&command.bytes).map_err(|_| DecodeRefusal::Encoding)?;
            check_batch(&batch)?;
            let space = batch.payload.space.clone();
            (Authored::Session(batch), space)
        } else {
            return Err(DecodeRefusal::Kind);
        };
        let work = authored.actions().map(|(_, action)| work(action)).sum();
        Ok(Self { id, size: command.size(), work, space, authored })
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        match &self.authored {
            Authored::Signed(_) => 1,
            Authored::Session(batch) => batch.payload.items.len(),
        }
    }
}

impl Authored {
    /// Actions with the identity claimed for each (empty for signed ones).
    pub fn actions(&self) -> impl Iterator<Item = (&str, &Action)> {
        let (one, many) = match self {
            Self::Signed(signed) => (Some(("", &signed.payload.action)), None),
            Self::Session(batch) => (None, Some(&batch.payload.items)),
        };
        let items = many.into_iter().flatten().map(|i| (i.identity.as_str(), &i.action));
        one.into_iter().chain(items)
    }

    /// The chain it is meant for.
    pub fn chain_id(&self) -> Digest {
        match self {
            Self::Signed(signed) => signed.payload.chain_id,
            Self::Session(batch) => batch.payload.chain_id,
        }
    }

    /// Replay key of a signed command: account and nonce.
    pub fn replay_key(signed: &SignedCommand) -> Digest {
        let payload = &signed.payload;
        hanse_crypto::hash("hanse/replay", &[&payload.key.id().0, &payload.nonce])
    }

    /// Until when it may run; session batches live by their window instead.
    pub fn valid_until_ms(&self) -> Option<TimeMs> {
        match self {
            Self::Signed(signed) => Some(signed.payload.valid_until_ms),
            Self::Session(_) => None,
        }
    }
}

fn check_batch(batch: &SessionBatch) -> Result<(), DecodeRefusal> {
    let payload = &batch.payload;
    let count_ok = !payload.items.is_empty() && payload.items.len() <= SESSION_ITEMS_MAX as usize;
    let items_ok = payload.items.iter().all(|item| {
        item.identity.len() <= IDENTITY_BYTES_MAX && item.action.space() == payload.space
    });
    if count_ok && items_ok { Ok(()) } else { Err(DecodeRefusal::Batch) }
}
