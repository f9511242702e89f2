//! What is recorded about images.

use axum::{Json, extract::State};
use hanse_ledger::World;
use hanse_types::{
    Namespace, Release, ReleaseState, StateKey, Tag,
    limits::{REPO_BYTES_MAX, TAG_BYTES_MAX},
};

use super::Answer;
use crate::{
    door::Door,
    extract::Asked,
    limits::LIST_ITEMS_MAX,
    problem::{Code, Problem, Problems},
    query,
    wire::{
        self, DigestQuery, DigestShown, History, HistoryQuery, NamespaceQuery, NamespaceShown,
        Page, PageQuery, ReleaseShown, Repository, StateShown, Subject, TagQuery, TagShown, Use,
    },
};

/// Bytes of the longest digest: `sha512:` and 128 characters.
const DIGEST_BYTES_MAX: usize = 135;

/// What a tag is now.
#[utoipa::path(
    get, path = "/v1/images/tag", tag = "images", params(TagQuery),
    responses((status = 200, description = "The tag and its newest release", body = TagShown), Problems)
)]
pub(crate) async fn tag(
    State(door): State<Door>,
    Asked(query): Asked<TagQuery>,
) -> Answer<TagShown> {
    let (repo, tag) = (repo(&query.repo)?, wire::name("tag", &query.tag, TAG_BYTES_MAX)?);
    let key = StateKey::Tag { repo, tag };
    let found = query::record::<Tag>(&door.desk.live_snapshot()?.world, &key)?;
    Ok(Json(found.ok_or_else(|| unknown(format!("{repo}:{tag}")))?.into()))
}

/// A tag's releases, the newest first.
#[utoipa::path(
    get, path = "/v1/images/history", tag = "images", params(HistoryQuery),
    responses((status = 200, description = "A page of its releases", body = History), Problems)
)]
pub(crate) async fn history(
    State(door): State<Door>,
    Asked(query): Asked<HistoryQuery>,
) -> Answer<History> {
    let limit = wire::page_limit(query.limit)?;
    let (repo, tag) = (repo(&query.repo)?, wire::name("tag", &query.tag, TAG_BYTES_MAX)?);
    let before = query.before.unwrap_or(u64::MAX);
    Ok(Json(releases(&door.desk.live_snapshot()?.world, repo, tag, before, limit)?))
}

/// Lists repositories that have recorded tags.
#[utoipa::path(
    get, path = "/v1/images/repositories", tag = "images", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<Repository>), Problems)
)]
pub(crate) async fn repositories(
    State(door): State<Door>,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<Repository>> {
    let cursor = query.cursor()?;
    Ok(Json(repository_page(&door.desk.live_snapshot()?.world, cursor)))
}

/// The standing of a digest in a repository, and which releases mention it.
#[utoipa::path(
    get, path = "/v1/images/digest", tag = "images", params(DigestQuery),
    responses((status = 200, description = "Standing and uses", body = DigestShown), Problems)
)]
pub(crate) async fn digest(
    State(door): State<Door>,
    Asked(query): Asked<DigestQuery>,
) -> Answer<DigestShown> {
    let repo = repo(&query.repo)?;
    let digest = wire::name("digest", &query.digest, DIGEST_BYTES_MAX)?;
    Ok(Json(standing(&door.desk.live_snapshot()?.world, repo, digest)?))
}

/// Who owns a name: the namespace with the longest prefix of whole path parts.
#[utoipa::path(
    get, path = "/v1/images/namespace", tag = "images", params(NamespaceQuery),
    responses((status = 200, description = "The namespace", body = NamespaceShown), Problems)
)]
pub(crate) async fn namespace(
    State(door): State<Door>,
    Asked(query): Asked<NamespaceQuery>,
) -> Answer<NamespaceShown> {
    let name = wire::name("name", &query.name, REPO_BYTES_MAX)?;
    let found = covering(&door.desk.live_snapshot()?.world, name)?;
    let detail = || Problem::new(Code::UnknownNamespace, format!("nobody owns {name}"));
    Ok(Json(found.ok_or_else(detail)?.into()))
}

fn repo(text: &str) -> Result<&str, Problem> {
    wire::name("repo", text, REPO_BYTES_MAX)
}

fn unknown(what: String) -> Problem {
    Problem::new(Code::UnknownImage, format!("nothing is recorded under {what}"))
}

fn releases(
    world: &World,
    repo: &str,
    tag: &str,
    before: u64,
    limit: usize,
) -> Result<History, Problem> {
    let start = StateKey::Release { repo, tag, seq: 0 }.encode();
    let end = StateKey::Release { repo, tag, seq: before }.encode();
    let newest_first = world.range(&start, &end).rev().take(limit + 1);
    let mut items: Vec<(u64, ReleaseShown)> = Vec::new();
    for (_, entry) in newest_first {
        let release: Release = query::value(entry)?;
        items.push((release.seq, release.into()));
    }
    if items.is_empty() && before == u64::MAX {
        return Err(unknown(format!("{repo}:{tag}")));
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(|(seq, _)| *seq).filter(|_| more);
    let items = items.into_iter().map(|(_, shown)| shown).collect();
    Ok(History { repo: repo.to_owned(), tag: tag.to_owned(), items, next })
}

/// Jumps from repository to repository: the tags of one are not walked over.
fn repository_page(world: &World, cursor: wire::Cursor) -> Page<Repository> {
    let first = StateKey::prefix(7, &[]);
    let end = query::after_prefix(&first);
    let mut start = cursor.after.max(first);
    let mut items: Vec<Repository> = Vec::new();
    loop {
        let Some((key, _)) = world.range(&start, &end).next() else {
            return Page { items, next: None };
        };
        if items.len() == cursor.limit {
            return Page { items, next: Some(hex::encode(start)) };
        }
        if let Subject::Tag { repo, .. } = Subject::of(key) {
            start = query::after_prefix(&StateKey::prefix(7, &[&repo]));
            items.push(Repository { repo });
        } else {
            start = query::after_key(key);
        }
    }
}

fn standing(world: &World, repo: &str, digest: &str) -> Result<DigestShown, Problem> {
    let prefix = StateKey::prefix(9, &[repo, digest]);
    let mut uses = Vec::new();
    for (key, _) in world.prefix(&prefix).take(LIST_ITEMS_MAX + 1) {
        if let Subject::DigestUse { tag, seq, .. } = Subject::of(key) {
            uses.push(Use { tag, seq });
        }
    }
    let key = StateKey::DigestState { repo, digest };
    let state = query::record::<ReleaseState>(world, &key)?;
    if uses.is_empty() && state.is_none() {
        return Err(unknown(format!("{repo}@{digest}")));
    }
    let more = uses.len() > LIST_ITEMS_MAX;
    uses.truncate(LIST_ITEMS_MAX);
    let state = state.map_or(StateShown::Active, StateShown::from);
    Ok(DigestShown { repo: repo.to_owned(), digest: digest.to_owned(), state, uses, more })
}

fn covering(world: &World, name: &str) -> Result<Option<Namespace>, Problem> {
    let mut prefix = name;
    loop {
        if let Some(found) = query::record(world, &StateKey::Namespace(prefix))? {
            return Ok(Some(found));
        }
        match prefix.rsplit_once('/') {
            Some((shorter, _)) => prefix = shorter,
            None => return Ok(None),
        }
    }
}
