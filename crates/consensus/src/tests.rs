//! Whole committees in the deterministic runtime: four members, a small application, faults.

mod cluster;
mod fake;
mod faults;
