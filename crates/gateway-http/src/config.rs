//! What the node tells the door: who may come in, and what only the node knows.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use hanse_types::Height;

use crate::{Limits, Metrics};

/// Bytes that come when they are read, if they are there.
pub type Coming = BoxFuture<'static, Option<Bytes>>;

/// The node's snapshots (docs/formats/snapshot.md).
#[derive(Clone)]
pub struct Snapshots {
    /// The newest listing.
    pub newest: Arc<dyn Fn() -> Coming + Send + Sync>,
    /// A chunk of the data of the snapshot of a height.
    pub chunk: Arc<dyn Fn(Height, u32) -> Coming + Send + Sync>,
    /// Has one made. Must not block.
    pub make: Arc<dyn Fn() + Send + Sync>,
}

impl Default for Snapshots {
    /// None, ever.
    fn default() -> Self {
        Self {
            newest: Arc::new(|| Box::pin(ready(None))),
            chunk: Arc::new(|_, _| Box::pin(ready(None))),
            make: Arc::new(|| ()),
        }
    }
}

/// A question the node answers when the door is asked. Must not block.
pub type Ask<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// Everything one door is made with.
#[derive(Clone)]
pub struct DoorConfig {
    /// Names, without ports, under which this door may be addressed beside `localhost`, `127.0.0.1` and `[::1]`.
    /// Any other `Host` is refused, so a web page cannot reach the door by rebinding a name of its own.
    pub hosts: Vec<String>,
    /// With `Authorization: Bearer` and this token, clients that are not on this machine may write as session clients.
    pub session_token: Option<String>,
    /// Version of the product, as `hanse --version` says it.
    pub version: String,
    /// What the consensus engine and its network report.
    pub engine: Ask<EngineView>,
    /// The node's part of readiness, in the order shown: connected, storage, … Replay is checked by the door itself.
    pub checks: Ask<Vec<Check>>,
    /// Whether this process itself makes progress; `Err` says what is stuck, and asks a supervisor to restart it.
    /// The chain's progress has no place here: a healthy member of a halted chain stays live.
    pub alive: Ask<Result<(), String>>,
    /// Served at `/metrics`. One door per [`Metrics`].
    pub metrics: Arc<Metrics>,
    /// What clients may save.
    pub snapshots: Snapshots,
    /// Limits of this door.
    pub limits: Limits,
}

impl fmt::Debug for DoorConfig {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorConfig")
            .field("hosts", &self.hosts)
            .field("session_token", &self.session_token.as_ref().map(|_| "…"))
            .field("version", &self.version)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One line of readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// One lower-case word.
    pub name: &'static str,
    /// `Err` says what is missing.
    pub result: Result<(), String>,
}

/// What the node knows of its committee and the newest certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineView {
    /// Which committee votes.
    pub epoch: u64,
    /// Its members, in the committee's order.
    pub members: Vec<MemberView>,
    /// The newest certificate this member holds.
    pub certificate: Option<CertificateView>,
}

/// One seat as this member sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who holds the seat.
    pub organisation: String,
    /// The consensus key in lower-case hex.
    pub member: String,
    /// What this member makes of it.
    pub state: MemberState,
    /// The height it was last heard of at, if ever.
    pub height: Option<Height>,
}

/// What one member makes of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Connected and at the chain's height.
    Live,
    /// Connected, but behind the others.
    Behind,
    /// Not connected.
    Unreachable,
    /// Nothing is known yet.
    Unknown,
}

/// A certificate in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateView {
    /// The block it certifies.
    pub height: Height,
    /// Members that signed.
    pub signed: u32,
    /// Members of the committee.
    pub of: u32,
    /// Signatures it needs.
    pub need: u32,
}
