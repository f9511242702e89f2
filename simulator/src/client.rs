//! Clients: each asks one thing at a time, and asks again elsewhere until it is answered.

use std::{sync::Arc, time::Duration};

use commonware_runtime::{Clock as _, deterministic::Context};
use futures::{
    StreamExt as _,
    future::{Either, select},
    stream::FuturesUnordered,
};
use hanse_crypto::SigningKey;
use hanse_ledger::{Ledger, Outcome, SubmitError, Ticket, TicketError};
use hanse_types::{
    Action, COMMAND_DOMAIN, Command, Digest, Receipt, Record, SignedCommand, SignedPayload, encode,
};

use crate::{
    MEMBERS,
    dice::Dice,
    genesis,
    prover::{self, Patience},
    stage::{Stage, now_ms},
    work::{Work, next},
};

/// How long a client waits for an answer before it asks another member as well.
const PATIENCE: Duration = Duration::from_secs(4);
/// Pause after a refusal to take the command.
const PAUSE: Duration = Duration::from_millis(200);
/// Validity of signed commands.
const VALID_MS: u64 = 60_000;

/// How one question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Certified.
    Acknowledged(Box<Receipt>),
    /// The member said that it was not and will not be executed.
    Expired,
    /// The member stopped; only for session commands, which cannot be asked again.
    Unknown,
    /// It was executed, and the member that said so does not hold the receipt.
    Executed,
}

/// One question and its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Of a signed command; zero for a session action.
    pub(crate) command: Digest,
    /// Of the value that only this action puts, if it puts one.
    pub(crate) value: Option<Digest>,
    pub(crate) end: End,
    pub(crate) asked_ms: u64,
    pub(crate) answered_ms: u64,
}

impl Answer {
    /// Bytes for the digest of a run.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = encode(&(self.command, self.asked_ms, self.answered_ms));
        match &self.end {
            End::Acknowledged(receipt) => bytes.extend(encode(&**receipt)),
            End::Expired => bytes.push(1),
            End::Unknown => bytes.push(2),
            End::Executed => bytes.push(3),
        }
        bytes
    }
}

/// One client.
pub(crate) struct Client {
    number: u32,
    home: usize,
    dice: Dice,
    key: SigningKey,
    stage: Arc<Stage>,
    context: Context,
    asked: u64,
}

/// Signs an action for `stage`'s chain.
pub(crate) fn signed(
    stage: &Stage,
    key: &SigningKey,
    action: Action,
    now_ms: u64,
    nonce: u128,
) -> Command {
    let payload = SignedPayload {
        chain_id: stage.genesis.chain_id(),
        key: key.public(),
        nonce: nonce.to_le_bytes(),
        valid_until_ms: now_ms + VALID_MS,
        action,
    };
    let signature = key.sign(COMMAND_DOMAIN, &encode(&payload));
    Command::signed(&SignedCommand { payload, signature })
}

impl Client {
    pub(crate) fn new(number: u32, seed: u64, stage: Arc<Stage>, context: Context) -> Self {
        let home = number as usize % MEMBERS;
        Self {
            number,
            home,
            dice: Dice::new(seed, &format!("client {number}")),
            key: genesis::admin(home),
            stage,
            context,
            asked: 0,
        }
    }

    /// Asks every `period` milliseconds, give or take a third, until the stage closes.
    pub(crate) async fn live(mut self, period: u64) {
        while !self.stage.closing() {
            let pause = self.dice.between(period * 2 / 3, period * 4 / 3);
            let due = self.context.current() + Duration::from_millis(pause);
            self.asked += 1;
            let work = next(&mut self.dice, self.number, self.home, self.asked);
            let how = if work.signed { "signed" } else { "session" };
            let told = format!("{how}, {}, at {} ms", work.action.space(), now_ms(&self.context));
            self.stage.asking.lock().insert(self.number, told);
            let answer = self.ask(work).await;
            self.stage.asking.lock().remove(&self.number);
            let receipt = match &answer.end {
                End::Acknowledged(receipt) => Some(receipt.clone()),
                _ => None,
            };
            self.stage.answers.lock().entry(self.number).or_default().push(answer);
            if let Some(receipt) = receipt
                && self.dice.chance(20)
                && let Some(ledger) = self.stage.door(self.home)
            {
                let roll = self.dice.roll();
                self.stage.asking.lock().insert(self.number, "a proof".to_owned());
                prover::sample(&self.context, &self.stage, &ledger, &receipt, roll, Patience::Fair)
                    .await;
                self.stage.asking.lock().remove(&self.number);
            }
            self.context.sleep_until(due).await;
        }
    }

    /// Asks until there is an end.
    pub(crate) async fn ask(&mut self, work: Work) -> Answer {
        let asked_ms = now_ms(&self.context);
        let value = work.value.as_deref().map(Record::value_hash);
        let (command, end) = if work.signed {
            let nonce = (u128::from(self.number) << 64) | u128::from(self.asked);
            let command = signed(&self.stage, &self.key, work.action, asked_ms, nonce);
            (command.id(), self.signed(command).await)
        } else {
            (Digest([0; 32]), self.session(work.action).await)
        };
        let answered_ms = now_ms(&self.context);
        Answer { command, value, end, asked_ms, answered_ms }
    }

    async fn signed(&mut self, command: Command) -> End {
        // Members asked before are still listened to: whichever answers first.
        let mut tickets: FuturesUnordered<Ticket> = FuturesUnordered::new();
        let mut at = self.home;
        loop {
            match self.stage.door(at).map(|ledger| ledger.submit(command.clone())) {
                Some(Ok(ticket)) => tickets.push(ticket),
                Some(Err(SubmitError::Expired)) => return End::Expired,
                Some(Err(SubmitError::Executed)) => return End::Executed,
                None | Some(Err(SubmitError::Full { .. } | SubmitError::NotReady)) => {
                    self.context.sleep(PAUSE).await;
                }
                Some(Err(other)) => {
                    self.stage.found(format!("member {at} does not take a good command: {other}"));
                    return End::Unknown;
                }
            }
            let mut left = Box::pin(self.context.sleep(PATIENCE));
            while !tickets.is_empty() {
                match select(tickets.next(), left).await {
                    Either::Left((Some(Ok(outcome)), _)) => {
                        return End::Acknowledged(Box::new(outcome.receipt));
                    }
                    Either::Left((Some(Err(TicketError::Expired)), _)) => return End::Expired,
                    Either::Left((_, rest)) => left = rest,
                    Either::Right(_) => break,
                }
            }
            at = (at + 1) % MEMBERS;
        }
    }

    async fn session(&mut self, action: Action) -> End {
        let space = action.space().to_owned();
        loop {
            let Some(ledger) = self.stage.door(self.home) else {
                self.context.sleep(PAUSE).await;
                continue;
            };
            match ledger.submit_session(&space, &format!("client-{}", self.number), action.clone())
            {
                Ok(ticket) => match ticket.await {
                    Ok(Outcome { receipt, .. }) => return End::Acknowledged(Box::new(receipt)),
                    Err(TicketError::Expired) => return End::Expired,
                    Err(TicketError::Stopped) => return End::Unknown,
                },
                Err(SubmitError::Full { .. } | SubmitError::NotReady) => {
                    self.context.sleep(PAUSE).await;
                }
                Err(other) => {
                    let home = self.home;
                    self.stage
                        .found(format!("member {home} does not take a session action: {other}"));
                    return End::Unknown;
                }
            }
        }
    }
}

/// Sends an administrator's action and waits until it is done: for setting the stage.
pub(crate) async fn prepare(
    context: &Context,
    stage: &Stage,
    member: usize,
    action: Action,
    nonce: u128,
) {
    let key = genesis::admin(member);
    let command = signed(stage, &key, action, now_ms(context), nonce);
    let ledger: Arc<Ledger> =
        stage.door(member).expect("all members are up while the stage is set");
    let outcome = match ledger.submit(command) {
        Ok(ticket) => ticket.await.map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(outcome) if outcome.receipt.status == hanse_types::Status::Done => {}
        Ok(outcome) => stage.found(format!("setting the stage: {:?}", outcome.receipt.status)),
        Err(error) => stage.found(format!("setting the stage: {error}")),
    }
}
