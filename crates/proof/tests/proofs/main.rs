//! A small synthetic chain with real keys and a real state map, and everything a proof of it may say or get wrong.

#[cfg(test)]
mod bad;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod good;
#[cfg(test)]
mod vectors;
