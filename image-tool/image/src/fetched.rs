//! How far a pull is with its layers.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// How far the fetching of each layer is.
pub(crate) struct Fetched {
    bytes: Vec<AtomicU64>,
    /// Held while a layer is fetched; a blob that is several layers goes by the first of them.
    pub(crate) turns: Vec<Mutex<()>>,
}

impl Fetched {
    pub(crate) fn new(layers: usize) -> Self {
        Self {
            bytes: (0..layers).map(|_| AtomicU64::new(0)).collect(),
            turns: (0..layers).map(|_| Mutex::new(())).collect(),
        }
    }

    /// Notes how many bytes of a layer are here; how many there are of all.
    pub(crate) fn set(&self, layer: usize, bytes: u64) -> u64 {
        self.bytes[layer].store(bytes, Ordering::Relaxed);
        self.sum()
    }

    pub(crate) fn sum(&self) -> u64 {
        self.bytes
            .iter()
            .map(|bytes| bytes.load(Ordering::Relaxed))
            .fold(0, u64::saturating_add)
    }
}
