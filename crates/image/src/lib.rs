//! Read, hash, copy and name container images wherever they live.
