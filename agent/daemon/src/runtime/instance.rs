//! An instance of a container: what one unit runs. Pure.

use orlop_config::Name;
use std::fmt;

/// Ends the name of what is in the second slot. No container's name has a dot.
const SECOND: &str = ".2";

/// Where an instance of a container is. One is enough but while another takes its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// Where every container begins.
    #[default]
    First,
    /// Where the next instance is made while the one in the first slot serves.
    Second,
}

impl Slot {
    /// Where the next instance is made.
    pub(super) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// An instance of a container. Its text names its unit, its bundle and everything else of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    /// Whose.
    pub container: Name,
    /// Where.
    pub slot: Slot,
}

impl Instance {
    /// The instance of `container` in `slot`.
    pub(super) fn new(container: &Name, slot: Slot) -> Self {
        let container = container.clone();
        Self { container, slot }
    }

    /// The one in the first slot.
    pub(super) fn first(container: &Name) -> Self {
        Self::new(container, Slot::First)
    }

    /// The one in the other slot.
    pub(super) fn sibling(&self) -> Self {
        Self::new(&self.container, self.slot.other())
    }

    /// The instance of this text, or none where it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(SECOND) {
            Some(name) => Some(Self::new(&Name::new(name)?, Slot::Second)),
            None => Some(Self::first(&Name::new(text)?)),
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match self.slot {
            Slot::First => "",
            Slot::Second => SECOND,
        };
        write!(f, "{}{ending}", self.container)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn both_slots_have_texts_that_no_other_container_has() {
        let first = Instance::first(&name("web"));
        let second = first.sibling();
        assert_eq!(first.to_string(), "web");
        assert_eq!(second.to_string(), "web.2");
        assert_eq!(second.sibling(), first);
        for instance in [first, second] {
            assert_eq!(Instance::parse(&instance.to_string()), Some(instance));
        }
        assert_eq!(Name::new("web.2"), None);
        for text in ["", ".2", "web.3", "web.2.2", "-web"] {
            assert_eq!(Instance::parse(text), None, "{text}");
        }
    }
}
