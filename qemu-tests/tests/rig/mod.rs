//! What the scenarios share. Each test file uses its part of it.
#![expect(
    dead_code,
    reason = "each test file is a crate of its own and uses a part of the rig"
)]

pub(crate) mod built;
pub(crate) mod containers;
pub(crate) mod esp;
pub(crate) mod hardware;
pub(crate) mod imported;
pub(crate) mod jail;
pub(crate) mod limits;
pub(crate) mod name_server;
pub(crate) mod networks;
pub(crate) mod node;
pub(crate) mod operator;
pub(crate) mod qemu;
pub(crate) mod raw_disk;
pub(crate) mod remains;
pub(crate) mod remote;
pub(crate) mod screen;
pub(crate) mod session;
pub(crate) mod shop;
pub(crate) mod small_disk;
pub(crate) mod tap;
pub(crate) mod tree;
pub(crate) mod witness;
