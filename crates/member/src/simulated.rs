//! A member under the simulator: same code, one seed.
//!
//! Generic over the context, so that the simulator can give each member a disk of its own; it is instantiated there, once.

use std::sync::Arc;

use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use futures::future::BoxFuture;
use hanse_consensus::{Handle, Links};
use hanse_ledger::Ledger;
use hanse_store::{Counters, Report};

use crate::{
    MemberConfig, MemberError,
    assemble::{Assembled, assemble},
};

pub use crate::assemble::Around;
pub use hanse_consensus::{
    Application, Certified, Channels, Contact, Ear, NetworkError, Pace, Says, SignedVote,
    Simulated, SimulatedOracle, Tapped, Unsent, Verdict, simulated_channels, simulated_key,
    simulated_network,
};

/// What differs from a real member.
pub struct Setup {
    /// [`MemberConfig::log`], perhaps with smaller sizes so that checkpoints come often.
    pub log: hanse_store::Config,
    /// Stands between engine and ledger; the identity for an honest member.
    pub around: Around,
}

/// A running member of a simulated cluster. It lives as long as the task that owns the context it was started with.
pub struct SimulatedMember {
    /// Its desk.
    pub ledger: Arc<Ledger>,
    /// Its engine.
    pub handle: Handle,
    /// What opening the log found.
    pub report: Report,
    /// Resolves when the member must stop.
    pub ended: BoxFuture<'static, MemberError>,
    /// What its log has done.
    pub counters: Arc<dyn Fn() -> Counters + Send + Sync>,
}

/// Starts a member in `context`.
///
/// # Errors
/// [`MemberError`] if it does not come up.
pub async fn run<E, N>(
    context: E,
    channels: Channels<N>,
    config: MemberConfig,
    setup: Setup,
) -> Result<SimulatedMember, MemberError>
where
    E: Storage + Clock + Metrics + Spawner + rand_core::CryptoRng,
    N: Links,
{
    let parts = (setup.log, setup.around);
    let Assembled { ledger, handle, report, ended, counters, .. } =
        assemble(context.child("member"), config, channels, parts).await?;
    Ok(SimulatedMember { ledger, handle, report, ended, counters })
}
