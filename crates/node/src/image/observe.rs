//! What a place serves for a name, and whether its bytes are the recorded ones. Reads, compares, concludes nothing about trust.

use std::sync::Arc;

use hanse_image::{
    CheckOptions, Expected, ImageError, ImageRef, Kind, Level, Purpose, Source, check,
};

use super::{PlaceArgs, chain, content, progress};
use crate::{exit::Failure, verdict::Observed};

/// What is compared with what.
pub(crate) struct Comparison<'a> {
    /// Where to look.
    pub(crate) place: &'a ImageRef,
    /// What has to be there.
    pub(crate) expected: Expected,
    pub(crate) level: Level,
    pub(crate) how: &'a PlaceArgs,
}

/// Looks. `Observed::Other` leaves open whether the other digest was ever recorded: only the ledger knows.
///
/// # Errors
/// None of them reaches the caller: each is an observation.
pub(crate) async fn observe(comparison: &Comparison<'_>) -> Observed {
    match look(comparison).await {
        Ok(observed) => observed,
        Err(error) => from_error(&error, comparison.place),
    }
}

async fn look(comparison: &Comparison<'_>) -> Result<Observed, ImageError> {
    let Comparison { place, expected, level, how } = comparison;
    let options = how.source(Purpose::Check(*level));
    let mut source = Source::open(place, &options).await?;
    // Without a digest in the name this is what the tag means there at this moment.
    let served = source.resolve().await?.digest;
    if served != expected.root && (!source.repacks() || expected.platforms.is_empty()) {
        return Ok(Observed::Other { digest: served.to_string(), earlier: None });
    }
    if let ImageRef::Registry(name) = place {
        // From here on by digest: a tag that moves between two requests changes nothing any more.
        let pinned = ImageRef::Registry(name.with_digest(expected.root.clone()));
        source = Source::open(&pinned, &options).await?;
    }
    let checking = CheckOptions {
        level: *level,
        max_unpacked: how.max_unpacked(),
        progress: progress("hashing"),
    };
    match check(&Arc::new(source), expected, &checking).await {
        Ok(checked) => {
            Ok(Observed::Matches { level: checked.level.to_string(), bytes: checked.bytes_hashed })
        }
        Err(error) if served != expected.root && error.kind() == Kind::Differs => {
            Ok(Observed::Other { digest: served.to_string(), earlier: None })
        }
        Err(error) => Err(error),
    }
}

/// An error as an observation. A local place that is not there says something of this machine, not of the image.
pub(crate) fn from_error(error: &ImageError, place: &ImageRef) -> Observed {
    let why = chain(error);
    match error.kind() {
        Kind::NotFound if matches!(place, ImageRef::Registry(_)) => Observed::Missing(why),
        Kind::NotFound | Kind::Environment => Observed::Environment(why),
        Kind::Differs => Observed::Differs(why),
        Kind::Malformed => Observed::Malformed(why),
        Kind::Unreachable => Observed::Unreachable(why),
        Kind::Unauthorized => Observed::Unauthorised(why),
    }
}

/// What a place has to hold by the facts.
///
/// # Errors
/// When the record holds a malformed digest.
pub(crate) fn expected(
    release: &hanse_types::Release,
    asked: Option<&str>,
) -> Result<Expected, Failure> {
    let root = asked.unwrap_or(&release.content.root.digest);
    content::expected(&release.content, root)
}
