//! The side task that owns the authenticated map: it settles and proves what the ledger asks for.

use std::sync::Arc;

use commonware_runtime::Spawner;
use commonware_storage::Context;
use futures::future::BoxFuture;
use hanse_ledger::{Job, Ledger};
use hanse_state::StateTree;

/// Settlements between two times the map is made durable. A restart replays at most this many again.
const PERSIST_EVERY: u64 = 1_024;

/// Makes the engine's log durable up to now, so that the map never stands at a height the log could lose.
pub(crate) type FlushLog = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Runs until the desk stops (`Ok`) or the map fails (`Err` says why; the member must stop).
pub(crate) async fn run<E: Context + Spawner>(
    mut tree: StateTree<E>,
    ledger: Arc<Ledger>,
    flush_log: FlushLog,
) -> Result<(), String> {
    let mut since = 0;
    while let Some(job) = ledger.next_job().await {
        match job {
            Job::Settle { height, changes } => {
                let root = tree.settle(height, changes.writes()).await.map_err(|e| failure(&e))?;
                ledger.tree_settled(height, root);
                since += 1;
            }
            Job::Prove { slots, reply } => {
                let proofs = tree.prove(&slots).await;
                if let Err(error) = &proofs {
                    tracing::warn!(%error, "the map did not prove");
                }
                reply.send(proofs.ok());
            }
        }
        if since >= PERSIST_EVERY && flush_log().await {
            tree.persist().await.map_err(|e| failure(&e))?;
            since = 0;
        }
    }
    if flush_log().await {
        tree.persist().await.map_err(|e| failure(&e))?;
    }
    Ok(())
}

fn failure(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
