//! What the scenarios share.

pub(crate) mod tree;
