//! Subnets for networks that have none in the file.

use ipnet::{IpNet, Ipv4Net};
use std::net::Ipv4Addr;

/// `10.90.N.0/24`: beside `10.89.0.0/24`, which the network `default` has.
const FIRST: [u8; 2] = [10, 90];
const PREFIX: u8 = 24;

/// The subnets that are taken.
#[derive(Debug, Default)]
pub(crate) struct Subnets(Vec<IpNet>);

impl Subnets {
    /// Remembers one that the file names.
    pub(crate) fn take(&mut self, text: &str) {
        if let Ok(net) = text.parse() {
            self.0.push(net);
        }
    }

    /// One that overlaps with none; none where all are taken.
    pub(crate) fn free(&mut self) -> Option<String> {
        let [a, b] = FIRST;
        let found = (1..=u8::MAX)
            .filter_map(|c| Ipv4Net::new(Ipv4Addr::new(a, b, c, 0), PREFIX).ok())
            .map(IpNet::V4)
            .find(|net| {
                let overlaps = |other: &IpNet| other.contains(net) || net.contains(other);
                !self.0.iter().any(overlaps)
            })?;
        self.0.push(found);
        Some(found.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_subnet_overlaps_with_none_that_is_taken() {
        let mut subnets = Subnets::default();
        subnets.take("10.90.0.0/23");
        subnets.take("nonsense");
        assert_eq!(subnets.free().as_deref(), Some("10.90.2.0/24"));
        assert_eq!(subnets.free().as_deref(), Some("10.90.3.0/24"));
        subnets.take("10.0.0.0/8");
        assert_eq!(subnets.free(), None);
    }
}
