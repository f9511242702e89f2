//! What this repository can do for the people who work in it, one module per task.

pub mod bench;
mod cli;
pub mod etcd;
pub mod failure;
pub mod floors;
pub mod process;
pub mod procfs;
pub mod repo;
pub mod say;
pub mod setup;
pub mod stages;
pub mod tidy;
pub mod up;

pub use cli::run;
