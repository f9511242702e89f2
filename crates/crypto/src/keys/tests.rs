//! Keys of every suite: forms, and what is refused.
