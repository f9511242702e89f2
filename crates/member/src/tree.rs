//! The side task that owns the authenticated map: it settles and proves what the ledger asks for.

use std::sync::Arc;

use commonware_runtime::Spawner;
use commonware_storage::Context;
use futures::future::BoxFuture;
use hanse_ledger::{Job, Ledger, Still};
use hanse_snapshot::begin;
use hanse_state::StateTree;

use crate::snapshots::Maker;

/// Settlements between two times the map is made durable. A restart replays at most this many again.
const PERSIST_EVERY: u64 = 1_024;

/// Makes the engine's log durable up to now, so that the map never stands at a height the log could lose.
pub(crate) type FlushLog = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Runs until the desk stops (`Ok`) or the map fails (`Err` says why; the member must stop).
pub(crate) async fn run<E: Context + Spawner>(
    mut tree: StateTree<E>,
    ledger: Arc<Ledger>,
    flush_log: FlushLog,
    mut maker: Maker<E>,
) -> Result<(), String> {
    let mut since = 0;
    while let Some(job) = ledger.next_job().await {
        match job {
            Job::Settle { height, changes } => {
                let writes = changes.writes();
                maker.changed(writes.len());
                let root = tree.settle(height, writes).await.map_err(|e| failure(&e))?;
                ledger.tree_settled(height, root);
                since += 1;
            }
            Job::Snapshot(still) => {
                if maker.is_due(&still) && snapshot(&tree, &mut maker, *still).await {
                    // So that the map on disk is not older than the snapshot.
                    since = PERSIST_EVERY;
                }
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

/// Takes out of the map what a snapshot needs of it. Whether that could be done.
async fn snapshot<E: Context + Spawner>(
    tree: &StateTree<E>,
    maker: &mut Maker<E>,
    still: Still,
) -> bool {
    let height = still.height;
    match begin(tree, still).await {
        Ok(begun) => {
            maker.write(height, begun);
            true
        }
        Err(error) => {
            maker.failed(height, &error);
            false
        }
    }
}

/// An error with its causes.
pub(crate) fn failure(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
