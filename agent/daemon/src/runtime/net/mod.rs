//! The containers' networks: addresses, links, rules, names.
//!
//! netavark makes the links (bridges, veths, macvlans) in named network namespaces that outlive a
//! restart. All rules are in one table of ours, all names in files of ours for aardvark-dns, which
//! runs in a unit of its own: both are pure functions of what is desired, so whatever is lost of
//! them is made again without a look at what was there (docs/adr/0014-container-networks.md).

mod bridges;
mod connect;
mod first_alone;
mod guard;
mod lease;
mod name_server;
mod names;
mod netavark;
mod netlink;
mod netns;
mod nft;
mod rules;

pub(super) use connect::{connect, disconnect};
pub(super) use guard::{Guard, watch};
pub(super) use lease::{Addresses, Leases};
pub(super) use netavark::Request;
pub(super) use netns::{
    Namespace, create as create_namespace, keep_namespace, keep_new, remove as remove_namespace,
    unmount_all,
};
