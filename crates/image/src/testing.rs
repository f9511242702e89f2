//! What the tests of this crate share: images made by hand, a registry that can lie, an engine that is a few maps.

mod engine;
mod image;
mod registry;

pub(crate) use engine::FakeEngine;
pub(crate) use image::{
    Made, gzip, image, index_of, layer_of, layout_files, layout_of, tar_of, zstd,
};
pub(crate) use registry::{Fake, Seen, Tls, stalling, text_answer};

use std::sync::Arc;
use std::time::Duration;

use crate::error::ImageError;
use crate::registry::{Credentials, RegistryOptions};
use crate::source::{Purpose, Source, SourceOptions};

/// How long a peer may stall where that is what is tested.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
/// How long it may take elsewhere, on a machine that has other things to do.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Options that ask nobody for credentials.
pub(crate) fn registry_options() -> RegistryOptions {
    let credentials = Credentials::Anonymous;
    RegistryOptions { idle: LONG, credentials, ..RegistryOptions::default() }
}

pub(crate) fn source_options(purpose: Purpose) -> SourceOptions {
    SourceOptions { registry: registry_options(), purpose, ..SourceOptions::default() }
}

/// The same for tests of stalling.
pub(crate) fn impatient() -> RegistryOptions {
    RegistryOptions { idle: SHORT, ..registry_options() }
}

/// Opens a source for copying, giving up soon.
pub(crate) async fn open_impatient(reference: &str) -> Result<Arc<Source>, ImageError> {
    let options = SourceOptions { registry: impatient(), ..source_options(Purpose::Copy) };
    open_with(reference, &options).await
}

/// Opens a source for copying, with options for tests.
pub(crate) async fn open(reference: &str) -> Result<Arc<Source>, ImageError> {
    open_with(reference, &source_options(Purpose::Copy)).await
}

pub(crate) async fn open_with(
    reference: &str,
    options: &SourceOptions,
) -> Result<Arc<Source>, ImageError> {
    Source::open(&reference.parse().expect("a valid reference"), options).await.map(Arc::new)
}
