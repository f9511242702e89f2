//! The one desk: submit, query, watch, prove; owns the commit path.
//!
//! No clock, disk, network or runtime of its own: time is passed in, work is handed out as jobs, waiting is a future that
//! any runtime can poll. So the same code runs for real and under the simulator.

pub mod limits;
mod signal;

mod chain;
mod outbox;
mod pool;
mod sessions;

mod ledger;
pub use ledger::{Audience, Config, Ledger, LedgerStatus};

mod admit;
mod base;
mod build;
mod commit;
mod epochs;
mod settle;
pub use admit::Admission;
pub use base::{Base, Checked, MANIFEST_VERSION, Manifest, ManifestError};
pub use epochs::{BoundaryError, Turn};
pub use settle::{Job, ProofReply, Still, TreeAnswer, Unsettled};

mod submit;
pub use submit::{Outcome, SubmitError, Ticket, TicketError};

mod query;
pub use query::{Committed, Lagged, NotLive, Snapshot, Watch};

mod prove;
pub use prove::{Ask, ProveError};

pub use hanse_execution::{Applied, Change, Entry, Reply, World};
