//! Images in files: OCI layouts (directory or tar) and docker-archives.
//!
//! Formats: OCI image-layout.md 1.0; Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format".

mod docker;
mod layout;
mod store;

pub(crate) use docker::DockerArchive;
pub(crate) use layout::Layout;
pub(crate) use layout::REF_NAME;
pub(crate) use store::{PassedFile, Passing, Store, pass};
