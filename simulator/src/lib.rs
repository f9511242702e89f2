//! Whole clusters under one seed.
//!
//! Four real members (log, map, ledger, engine: [`hanse_member`]) on simulated disks and links, clients that keep asking
//! until they are answered, and an auditor that believes nobody. A seed and a scenario fix every byte.
#![expect(
    unreachable_pub,
    reason = "private modules share one vocabulary; the list below is the API"
)]

mod audit;
mod client;
mod cluster;
mod dice;
mod disk;
mod file;
mod flaw;
mod genesis;
mod machine;
mod prover;
mod run;
mod scenario;
mod stage;
mod verdict;
mod work;

pub use flaw::Flaw;
pub use run::{Counts, Plan, Report, run};
pub use scenario::Scenario;

/// Members of a cluster: the fewest that bear one fault.
pub const MEMBERS: usize = 4;
/// When simulated time begins (milliseconds, Unix).
pub const START_MS: u64 = 1_800_000_000_000;
