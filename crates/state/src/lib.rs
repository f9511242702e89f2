//! The authenticated map: settles writes into a root and proves what it holds.
