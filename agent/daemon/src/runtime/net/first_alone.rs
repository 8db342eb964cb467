//! Work that makes something shared where it is missing, and must not be done twice at once then.

use std::future::Future;
use tokio::sync::RwLock;

/// Lets many work at once on what is there, and one alone who has to make it.
pub(super) struct FirstAlone {
    makers: RwLock<()>,
}

impl FirstAlone {
    pub(super) const fn new() -> Self {
        Self {
            makers: RwLock::const_new(()),
        }
    }

    /// Does `work` once `is_there`, together with others, or alone where it is not.
    ///
    /// # Errors
    /// Those of `is_there` and of `work`.
    pub(super) async fn run<T, E>(
        &self,
        is_there: impl Fn() -> Result<bool, E>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        loop {
            let together = self.makers.read().await;
            if is_there()? {
                let done = work.await;
                drop(together);
                return done;
            }
            drop(together);
            let alone = self.makers.write().await;
            // Another one may have made it while this one waited.
            if !is_there()? {
                let done = work.await;
                drop(alone);
                return done;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

    #[tokio::test]
    async fn one_makes_it_alone_and_the_others_follow_together() {
        let first = FirstAlone::new();
        let (there, at_work, most) = (
            AtomicBool::new(false),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let one = || {
            let work = async {
                let now = at_work.fetch_add(1, SeqCst) + 1;
                most.fetch_max(now, SeqCst);
                if !there.load(SeqCst) {
                    assert_eq!(now, 1, "two make it at once");
                }
                tokio::task::yield_now().await;
                there.store(true, SeqCst);
                at_work.fetch_sub(1, SeqCst);
                Ok::<_, ()>(())
            };
            first.run(|| Ok(there.load(SeqCst)), work)
        };
        let all = tokio::join!(one(), one(), one(), one());
        assert_eq!(all, (Ok(()), Ok(()), Ok(()), Ok(())));
        assert_eq!(most.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn one_that_fails_leaves_it_to_the_next() {
        let first = FirstAlone::new();
        let missing = || Ok(false);
        assert_eq!(first.run(missing, async { Err::<(), _>(1) }).await, Err(1));
        assert_eq!(first.run(missing, async { Ok(2) }).await, Ok(2));
    }
}
