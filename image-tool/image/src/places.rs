//! The registries that may have an image: mirrors first, then its own.

use crate::kind::ErrorKind;
use crate::options::PullOptions;
use crate::pull_error::PullError;
use crate::registry::Registry;
use orlop_config::ImageRef;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Retries of a request to a mirror: the next place is better than patience.
const MIRROR_RETRIES: u32 = 1;

/// Where an image is asked for, in order. A place that failed is not asked again.
pub(crate) struct Places {
    all: Vec<Registry>,
    current: AtomicUsize,
}

impl Places {
    /// The places of an image in a registry; none if it is in a layout.
    pub(crate) fn new(image: &ImageRef, options: &PullOptions) -> Option<Result<Self, PullError>> {
        let own = match Registry::new(image, options)? {
            Ok(own) => own,
            Err(error) => return Some(Err(error)),
        };
        let patient = PullOptions {
            retries: options.retries.min(MIRROR_RETRIES),
            ..options.clone()
        };
        let mirrors = options.mirrors.iter();
        let all = mirrors.map(|mirror| Registry::mirror(image, mirror, &patient));
        Some(
            all.chain([Ok(own)])
                .collect::<Result<_, _>>()
                .map(|all| Self {
                    all,
                    current: AtomicUsize::new(0),
                }),
        )
    }

    /// Asks one place after the other, until one has the right answer. The error is the last one's.
    pub(crate) async fn ask<'a, T, F>(
        &'a self,
        request: impl Fn(&'a Registry) -> F,
    ) -> Result<T, PullError>
    where
        F: Future<Output = Result<T, PullError>>,
    {
        let mut at = self.current.load(Ordering::Relaxed);
        loop {
            let place = &self.all[at];
            match request(place).await {
                Err(error) if at + 1 < self.all.len() && is_of_the_place(&error) => {
                    log::warn!(mirror = place.host.as_str(), why:% = error;
                        "a mirror does not have it, asking the next place");
                    at += 1;
                    // Of layers that come at the same time, each may find it out.
                    self.current.fetch_max(at, Ordering::Relaxed);
                }
                result => return result,
            }
        }
    }
}

/// Whether another place may do better: not where this machine's disk is the trouble.
fn is_of_the_place(error: &PullError) -> bool {
    error.kind() != ErrorKind::NoSpace
        && !matches!(error, PullError::Io { .. } | PullError::Cancelled { .. })
}
