//! The network that `hanse up` runs on this machine.

pub(crate) mod layout;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod supervise;
