//! A state that is taken over is the one that was written out, and nothing else can be taken over.

mod chain;
mod file;
mod hostile;
mod keeping;
mod kit;
mod messages;
mod parts;
mod timing;
mod whole;
