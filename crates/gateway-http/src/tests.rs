//! The door, driven from outside: a real desk behind it, a hand that makes its blocks, and requests in front.

pub(crate) mod bench;

mod commands;
mod events;
mod guards;
mod images;
mod keys;
mod load;
mod member;
mod parties;
mod seats;
mod snapshots;
mod tcp;
