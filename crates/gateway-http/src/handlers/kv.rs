//! Keys of a space.

use axum::{Json, extract::State};
use hanse_ledger::Snapshot;
use hanse_types::StateKey;

use super::Answer;
use crate::{
    door::Door,
    extract::{Asked, JsonOf, Named},
    guard::SessionCaller,
    problem::{Code, Problem, Problems},
    query,
    wire::{self, OutcomeShown, RangeQuery, RangeShown, SubmitQuery, WriteAsked},
};

/// Writes keys in the name of this member's gateway.
///
/// Taken from clients on the member's own machine, or with the configured bearer token. The ledger then has only the
/// gateway's word for who asked; spaces whose policy asks for more refuse it.
#[utoipa::path(
    post, path = "/v1/spaces/{space}/kv", tag = "spaces", request_body = WriteAsked,
    params(("space" = String, Path, description = "The space"), SubmitQuery),
    responses((status = 200, description = "The outcome, certified by a quorum", body = OutcomeShown), Problems)
)]
pub(crate) async fn write(
    State(door): State<Door>,
    caller: SessionCaller,
    Named(space): Named<String>,
    Asked(query): Asked<SubmitQuery>,
    body: JsonOf<WriteAsked>,
) -> Answer<OutcomeShown> {
    let patience = wire::patience_ms(query.timeout_ms)?;
    let (space, asked) = (wire::space(&space)?, body.value);
    let identity = asked.identity.unwrap_or(caller.identity);
    let submitted = door.desk.submit_session(space, &identity, asked.action.action(space));
    Ok(Json(door.outcome(submitted, patience).await?.into()))
}

/// Reads keys of a space from this member's newest committed state.
///
/// The state may lag the quorum by what this member has not heard yet. For an answer that needs no trust in the member
/// ask for a proof.
#[utoipa::path(
    get, path = "/v1/spaces/{space}/kv", tag = "spaces",
    params(("space" = String, Path, description = "The space"), RangeQuery),
    responses((status = 200, description = "The keys", body = RangeShown), Problems)
)]
pub(crate) async fn read(
    State(door): State<Door>,
    Named(space): Named<String>,
    Asked(query): Asked<RangeQuery>,
) -> Answer<RangeShown> {
    let space = wire::space(&space)?;
    let limit = wire::page_limit(query.limit)?;
    let range = Range::asked(space, query)?;
    Ok(Json(range.read(&*door.desk.live_snapshot()?, space, limit)?))
}

/// A range of state keys inside one space.
struct Range {
    start: Vec<u8>,
    end: Vec<u8>,
    /// Bytes of the space's own prefix.
    strip: usize,
}

impl Range {
    fn asked(space: &str, query: RangeQuery) -> Result<Self, Problem> {
        let base = StateKey::Kv { space, key: &[] }.encode();
        let inside = |key: &[u8]| [base.as_slice(), key].concat();
        let (start, end) = match (query.key, query.range_end, query.prefix) {
            (None, None, None) => (base.clone(), query::after_prefix(&base)),
            (None, None, Some(prefix)) => {
                (inside(&prefix.0), query::after_prefix(&inside(&prefix.0)))
            }
            (Some(key), None, None) => (inside(&key.0), query::after_key(&inside(&key.0))),
            // One zero byte means "to the end", as in etcd's RangeRequest.
            (Some(key), Some(end), None) if end.0 == [0] => {
                (inside(&key.0), query::after_prefix(&base))
            }
            (Some(key), Some(end), None) if !end.0.is_empty() => (inside(&key.0), inside(&end.0)),
            (Some(key), Some(_), None) => (inside(&key.0), query::after_key(&inside(&key.0))),
            (_, _, _) => {
                let why = "give key, key and range_end, prefix, or none of them";
                return Err(Problem::malformed("query", why));
            }
        };
        Ok(Self { start, end, strip: base.len() })
    }

    fn read(&self, at: &Snapshot, space: &str, limit: usize) -> Result<RangeShown, Problem> {
        if at.world.get(&StateKey::Space(space).encode()).is_none() {
            return Err(Problem::new(Code::UnknownSpace, format!("there is no space {space:?}")));
        }
        let part = query::part(&at.world, &self.start, &self.end, self.strip, limit);
        Ok(RangeShown {
            revision: at.world.revision(space),
            height: at.header.height,
            kvs: part.kvs,
            more: part.more,
            count: part.count,
            count_is_exact: part.count_is_exact,
        })
    }
}
