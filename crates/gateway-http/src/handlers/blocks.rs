//! Recent blocks.

use axum::{Json, extract::State};

use super::Answer;
use crate::{
    door::Door,
    extract::Named,
    problem::{Code, Problem, Problems},
    wire::{self, BlockShown},
};

/// A recent block: what its header binds, its commands and what came of them.
#[utoipa::path(
    get, path = "/v1/blocks/{height}", tag = "blocks",
    params(("height" = String, Path, description = "A height of at least 1, or `latest`")),
    responses((status = 200, description = "The block", body = BlockShown), Problems)
)]
pub(crate) async fn block(
    State(door): State<Door>,
    Named(height): Named<String>,
) -> Answer<BlockShown> {
    let newest = door.desk.snapshot().header.height;
    let height = wire::height(&height, newest)?;
    let committed = find(&door, height, newest).await?;
    Ok(Json(BlockShown::new(&committed, &door.desk.genesis().committee())))
}

async fn find(
    door: &Door,
    height: u64,
    newest: u64,
) -> Result<std::sync::Arc<hanse_ledger::Committed>, Problem> {
    if let Some(found) = door.desk.block(height) {
        return Ok(found);
    }
    if height == 0 || height > newest {
        let detail = format!("heights here are 1 to {newest}");
        return Err(Problem::new(Code::UnknownHeight, detail));
    }
    // Committed, but not kept: a watch from there says since when blocks are, or has the block by now.
    let found = door.desk.watch(height).next().await?;
    found.ok_or_else(|| Problem::new(Code::Stopping, "the member stops"))
}
