//! Asking the ledger for a change: sign, submit, resubmit until the outcome is known, tell it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hanse_crypto::SigningKey;
use hanse_types::{
    Action, COMMAND_DOMAIN, Command, Digest, Receipt, SignedCommand, SignedPayload, decode, encode,
};
use serde::{Deserialize, Serialize};

use crate::{
    cli::ChangeArgs,
    client::{Client, ClientError},
    exit::{Attempt as _, Exit, Failure},
    home::Home,
    key,
    out::{Out, shown},
    trust::TrustRoot,
};

/// How long a command stays valid: room for a slow network and a clock that is minutes off, below the ledger's ten.
const VALID_FOR: Duration = Duration::from_secs(5 * 60);
/// How long a member may wait for the outcome before it says that it does not know yet.
const OUTCOME_WAIT_MS: u32 = 8_000;
/// How often the same bytes are submitted while nobody knows the outcome.
const ATTEMPTS: u32 = 3;

/// What came of a command, in the member's words.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Outcome {
    pub(crate) command: String,
    pub(crate) height: u64,
    pub(crate) index: u32,
    #[serde(default)]
    pub(crate) space: String,
    pub(crate) revision: u64,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) refusal: Option<String>,
    #[serde(default)]
    pub(crate) reply: serde_json::Value,
    #[serde(default)]
    pub(crate) time_ms: u64,
    #[serde(default)]
    pub(crate) receipt: String,
}

/// Somebody who can ask for changes.
pub(crate) struct Author {
    pub(crate) client: Client,
    pub(crate) chain_id: Digest,
    pub(crate) key: SigningKey,
}

impl Author {
    /// Finds members, trust root and key of a verb.
    ///
    /// # Errors
    /// When one of them is not to be had.
    pub(crate) fn new(args: &ChangeArgs, home: &Home) -> Result<Self, Failure> {
        let client = Client::connect(&args.connect)?;
        let trust = TrustRoot::find(&args.trust, home)?;
        let key = key::signer(&args.sign, home)?;
        Ok(Self { client, chain_id: trust.chain_id(), key })
    }

    /// Signs and submits `action`, and waits for its outcome, which may be a refusal.
    ///
    /// # Errors
    /// When nobody answers, or a member calls the command malformed.
    pub(crate) async fn submit(&self, action: Action) -> Result<Outcome, Failure> {
        let command = self.sign(action)?;
        submit(&self.client, &command).await
    }

    /// As [`Self::submit`], but a refusal is a failure.
    ///
    /// # Errors
    /// As [`Self::submit`]; [`refused`] for a refusal.
    pub(crate) async fn change(&self, action: Action) -> Result<Outcome, Failure> {
        let outcome = self.submit(action).await?;
        match &outcome.refusal {
            Some(refusal) => Err(refused(refusal)),
            None => Ok(outcome),
        }
    }

    fn sign(&self, action: Action) -> Result<Command, Failure> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|error| error.to_string())
            .attempt(Exit::Environment, || "could not get randomness from the system".to_owned())?;
        let valid_until = now_ms() + VALID_FOR.as_millis() as u64;
        let payload = SignedPayload {
            chain_id: self.chain_id,
            key: self.key.public(),
            nonce,
            valid_until_ms: valid_until,
            action,
        };
        let signature = self.key.sign(COMMAND_DOMAIN, &encode(&payload));
        Ok(Command::signed(&SignedCommand { payload, signature }))
    }
}

/// Submits a signed command. The same bytes may arrive any number of times, so an unknown outcome is asked for again.
async fn submit(client: &Client, command: &Command) -> Result<Outcome, Failure> {
    let path = format!("/v1/commands?timeout_ms={OUTCOME_WAIT_MS}");
    let bytes = encode(command);
    let mut attempt = 1;
    let outcome: Outcome = loop {
        match client.post_bytes(&path, bytes.clone()).await {
            Err(ClientError::Unreachable(_)) if attempt < ATTEMPTS => attempt += 1,
            other => break other?,
        }
    };
    check_receipt(&outcome, &command.id())?;
    Ok(outcome)
}

/// A member that answers with somebody else's receipt, or one that says otherwise than its words, is caught here already.
fn check_receipt(outcome: &Outcome, id: &Digest) -> Result<(), Failure> {
    let lie = |why: &str| {
        let what = format!("the member's answer contradicts itself: {why}");
        Failure::new(Exit::Proof, what).fix("ask another member with --endpoint")
    };
    let bytes = hex::decode(&outcome.receipt).map_err(|_| lie("the receipt is not hexadecimal"))?;
    let receipt: Receipt = decode(&bytes).map_err(|_| lie("the receipt cannot be read"))?;
    if receipt.command != *id || outcome.command != id.to_string() {
        return Err(lie("the receipt is of another command"));
    }
    let refused = matches!(receipt.status, hanse_types::Status::Refused(_));
    if receipt.height != outcome.height || refused != outcome.refusal.is_some() {
        return Err(lie("the receipt says otherwise"));
    }
    Ok(())
}

/// A refusal as a failure with its exit code and what can be done.
pub(crate) fn refused(refusal: &str) -> Failure {
    let (exit, why, fix) = match refusal {
        "unknown_signer" => (
            Exit::NotAuthorised,
            "the signing key is no active account of any organisation",
            "an admin registers it with `hanse org account add`, or sign with another --key",
        ),
        "not_authorised" => (
            Exit::NotAuthorised,
            "the signing account may not do this",
            "ask the owner for a role, or sign with another --key",
        ),
        "evidence" => (
            Exit::NotAuthorised,
            "the gateway's word is not enough here, the author's own signature is asked for",
            "sign it yourself (--key)",
        ),
        "expired" => (
            Exit::Environment,
            "the command's validity does not fit the ledger's time",
            "set this machine's clock, and try again",
        ),
        "malformed" => {
            (Exit::Malformed, "a field is malformed or over a limit", "see the limits in docs/")
        }
        "not_found" => (Exit::Refused, "the named thing does not exist", "check its name"),
        "exists" => (Exit::Refused, "the name is taken", "choose another one"),
        "conflict" => {
            (Exit::Refused, "somebody else changed it at the same time", "look again, then repeat")
        }
        "rollback" => (
            Exit::Rollback,
            "this content was released before under this tag",
            "if going back is meant: --rollback --reason TEXT",
        ),
        "revoked" => (
            Exit::Revoked,
            "the content is revoked in this repository",
            "release other content: a revocation is never taken back",
        ),
        "quota" => (Exit::Refused, "a quota is used up", "free something, or ask for more"),
        "work" => (Exit::Refused, "the command is too large for a block", "split it"),
        "weak_key" => (
            Exit::Malformed,
            "the key to be registered is one that anybody can sign with, or not canonically written",
            "make another one with `hanse key create`",
        ),
        "committee" => (
            Exit::Refused,
            "the committee would get too small or too large",
            "add a member before this one is removed",
        ),
        "closed" => (Exit::Refused, "the motion is decided or withdrawn", "propose another one"),
        "voted" => (Exit::Refused, "your organisation has voted for this motion", "nothing"),
        "possession" => (
            Exit::Malformed,
            "the signature does not show that the key's holder agrees",
            "sign with the new consensus key, for this chain and this organisation",
        ),
        "replayed" => (Exit::Refused, "the same command was seen before", "nothing: it is done"),
        _ => (Exit::Refused, "the ledger refused it", "see docs/errors"),
    };
    Failure::new(exit, format!("refused ({}): {why}", shown(refusal))).fix(fix)
}

/// Tells what came of a change.
pub(crate) fn answer(out: Out, outcome: &Outcome, done: &str) {
    let value = serde_json::json!({
        "v": 1,
        "status": outcome.status,
        "command": outcome.command,
        "height": outcome.height,
        "index": outcome.index,
        "space": outcome.space,
        "revision": outcome.revision,
        "reply": outcome.reply,
    });
    out.answer(&value, |_| {
        let unchanged = if outcome.status == "unchanged" { " (nothing changed)" } else { "" };
        format!(
            "{done}{unchanged} at height {}, command {}",
            outcome.height,
            shown(&outcome.command)
        )
    });
}

/// This machine's clock, milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
