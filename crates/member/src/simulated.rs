//! A member under the deterministic runtime: same code, one seed.

use std::sync::Arc;

use commonware_runtime::{Supervisor as _, deterministic::Context};
use futures::future::BoxFuture;
use hanse_consensus::{Handle, NetworkError, SimulatedOracle, simulated_channels};
use hanse_ledger::Ledger;
use hanse_store::{Counters, Report};

use crate::{
    MemberConfig, MemberError,
    assemble::{Assembled, assemble},
};

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

/// Starts a member in `context`, with its channels registered at `oracle`.
///
/// # Errors
/// [`MemberError`] if it does not come up.
pub async fn run(
    context: Context,
    oracle: &SimulatedOracle<Context>,
    config: MemberConfig,
) -> Result<SimulatedMember, MemberError> {
    let channels = register(oracle, &config)
        .await
        .map_err(MemberError::Network)?;
    let assembled = assemble(context.child("member"), config, channels).await?;
    let Assembled {
        ledger,
        handle,
        report,
        ended,
        counters,
        ..
    } = assembled;
    Ok(SimulatedMember {
        ledger,
        handle,
        report,
        ended,
        counters,
    })
}

async fn register(
    oracle: &SimulatedOracle<Context>,
    config: &MemberConfig,
) -> Result<hanse_consensus::Channels<hanse_consensus::Simulated<Context>>, NetworkError> {
    simulated_channels(oracle, &config.consensus.public()).await
}
