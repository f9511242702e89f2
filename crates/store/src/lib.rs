//! One ordered, checksummed log under the engine, so that a vote costs one flush.
