//! The ids of the host that are a container's. Pure.

/// So many ids has a container: 0 to 65535, which every image keeps to (`nobody` is 65534).
pub(crate) const IDS: u32 = 65_536;
/// The ids that distributions leave to containers (systemd's UIDS-GIDS.md, "Container UID range").
const FIRST: u32 = 524_288;
const LAST: u32 = 1_879_048_191;

/// The host's ids of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdRange {
    base: u32,
}

impl IdRange {
    /// The range that begins with `base`, if it is one.
    pub(crate) fn from(base: u32) -> Option<Self> {
        let is_one = (FIRST..LAST).contains(&base) && base.is_multiple_of(IDS);
        is_one.then_some(Self { base })
    }

    /// The host's id for the container's root.
    pub(crate) fn root(self) -> u32 {
        self.base
    }

    /// The host's id for one of the container's, if it has it.
    pub(crate) fn to_host(self, id: u32) -> Option<u32> {
        (id < IDS).then(|| self.base + id)
    }

    /// The container's id for one of the host's, if it has it.
    pub(crate) fn to_container(self, id: u32) -> Option<u32> {
        id.checked_sub(self.base).filter(|id| *id < IDS)
    }

    /// Every range, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (FIRST / IDS..=LAST / IDS).filter_map(|n| Self::from(n * IDS))
    }

    /// That of a process, by the text of its `uid_map`; none in the host's user namespace.
    pub(crate) fn of_map(text: &str) -> Option<Self> {
        let mut fields = text.lines().next()?.split_whitespace();
        let base = (fields.next()? == "0").then(|| fields.next()?.parse().ok())??;
        Self::from(base)
    }

    /// What a namespace's `uid_map` and `gid_map` get (user_namespaces(7)).
    pub(crate) fn map(self) -> String {
        format!("0 {} {IDS}\n", self.base)
    }

    /// The same, with one more id on disk for what the kernel itself makes there as the host's root: an overlay's
    /// whiteouts and work. No process has that id.
    pub(crate) fn map_of_layer(self) -> String {
        format!("{}{IDS} 0 1\n", self.map())
    }
}

impl std::fmt::Display for IdRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.base, self.base + (IDS - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_there_and_back_and_not_beyond_the_range() {
        let range = IdRange::from(FIRST).unwrap();
        for id in [0, 1, 1000, IDS - 1] {
            assert_eq!(range.to_container(range.to_host(id).unwrap()), Some(id));
        }
        assert_eq!(range.to_host(IDS), None);
        for strange in [0, FIRST - 1, FIRST + IDS] {
            assert_eq!(range.to_container(strange), None);
        }
        assert_eq!(IdRange::from(0), None);
        assert_eq!(IdRange::of_map(&range.map()), Some(range));
        assert_eq!(IdRange::of_map("         0          0 4294967295\n"), None);
        assert_eq!(range.to_string(), "524288-589823");
    }
}
