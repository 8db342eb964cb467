//! A TOML to be: each part of it knows where it came from.

use crate::note::Place;
use toml::Value;

/// A table, its entries in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(pub(crate) Vec<(String, Item)>, Option<Place>);

/// An entry of a table.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A value that came from one place.
    Leaf(Value, Place),
    /// An array whose elements came from a place each.
    List(Vec<(Value, Place)>),
    /// A table.
    Table(Table),
}

/// An entry, or an element of one that is a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) path: Vec<String>,
    pub(crate) element: Option<usize>,
}

impl Table {
    /// An empty one that came from `place`.
    pub(crate) fn from(place: &Place) -> Self {
        Self(Vec::new(), Some(place.clone()))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, item)| item)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a value, in the place of one that is there.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>, place: &Place) {
        let item = Item::Leaf(value.into(), place.clone());
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = item,
            None => self.0.push((key.to_owned(), item)),
        }
    }

    /// Adds to an array, unless it has that element.
    pub(crate) fn push(&mut self, key: &str, value: impl Into<Value>, place: &Place) {
        let value = value.into();
        if !self.has(key) {
            self.0.push((key.to_owned(), Item::List(Vec::new())));
        }
        let found = self.0.iter_mut().find(|(name, _)| name == key);
        if let Some((_, Item::List(list))) = found
            && !list.iter().any(|(old, _)| *old == value)
        {
            list.push((value, place.clone()));
        }
    }

    /// The table of that name, made if need be. A value of that name gives way.
    pub(crate) fn table(&mut self, key: &str) -> &mut Table {
        let at = match self.0.iter().position(|(name, _)| name == key) {
            Some(at) => at,
            None => {
                self.0.push((key.to_owned(), Item::Table(Table::default())));
                self.0.len() - 1
            }
        };
        let item = &mut self.0[at].1;
        if !matches!(item, Item::Table(_)) {
            *item = Item::Table(Table::default());
        }
        match item {
            Item::Table(table) => table,
            // Made so above.
            Item::Leaf(..) | Item::List(_) => unreachable!("it is a table"),
        }
    }

    /// Puts a table there, in the place of what there is.
    pub(crate) fn put(&mut self, key: &str, table: Table) {
        self.remove_key(key);
        self.0.push((key.to_owned(), Item::Table(table)));
    }

    pub(crate) fn remove_key(&mut self, key: &str) -> Option<Item> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Takes out what is at `spot`. Where it came from.
    pub(crate) fn remove(&mut self, spot: &Spot) -> Option<Place> {
        let (last, above) = spot.path.split_last()?;
        let mut table = self;
        for key in above {
            let found = table.0.iter_mut().find(|(name, _)| name == key);
            match found {
                Some((_, Item::Table(below))) => table = below,
                _ => return None,
            }
        }
        if let Some(element) = spot.element {
            let found = table.0.iter_mut().find(|(name, _)| name == last);
            let Some((_, Item::List(list))) = found else {
                return None;
            };
            let place = (element < list.len()).then(|| list.remove(element).1);
            if list.is_empty() {
                table.remove_key(last);
            }
            return place;
        }
        table.remove_key(last)?.place().cloned()
    }
}

impl Item {
    /// Where its first part came from.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Self::Leaf(_, place) => Some(place),
            Self::List(list) => list.first().map(|(_, place)| place),
            Self::Table(table) => {
                let first = || table.0.iter().find_map(|(_, item)| item.place());
                table.1.as_ref().or_else(first)
            }
        }
    }
}
