//! What happened, sent to whoever listens.

use crate::clock;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use orlop_api::{Event, EventKind};
use std::sync::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Events kept for a reader that is slow. At about 1 KiB each, the agent's memory stays bounded.
const BACKLOG: usize = 256;

/// Sends events to any number of readers.
#[derive(Debug)]
pub struct EventBus {
    sender: broadcast::Sender<Event>,
    seq: Mutex<u64>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BACKLOG),
            seq: Mutex::new(0),
        }
    }
}

impl EventBus {
    /// Sends an event to everyone who listens now.
    pub fn send(&self, kind: EventKind) {
        // Held while sending, so that readers see the numbers in order.
        let mut seq = self
            .seq
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *seq += 1;
        let event = Event {
            seq: *seq,
            at: clock::now().0,
            kind,
        };
        if self.sender.send(event).is_err() {
            log::trace!("ignoring that nobody listens to events");
        }
    }

    /// Everything that happens from now on. A reader that is too slow loses the oldest, and is told
    /// how many.
    pub fn listen(&self) -> BoxStream<'static, Event> {
        stream::unfold(self.reader(), |(mut receiver, last)| async move {
            match receiver.recv().await {
                Ok(event) => {
                    let seq = event.seq;
                    Some((event, (receiver, seq)))
                }
                Err(RecvError::Lagged(count)) => {
                    // It takes the number of the last one that is lost.
                    let event = Event {
                        seq: last + count,
                        at: clock::now().0,
                        kind: EventKind::Missed { count },
                    };
                    let seq = event.seq;
                    Some((event, (receiver, seq)))
                }
                Err(RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    /// A reader, and the number of the last event that was not for it.
    fn reader(&self) -> (broadcast::Receiver<Event>, u64) {
        // Held while subscribing, so that no event comes in between.
        let seq = self
            .seq
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        (self.sender.subscribe(), *seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_api::Phase;

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_events_is_told_so_and_goes_on() {
        let bus = EventBus::default();
        bus.send(EventKind::Phase { phase: Phase::Idle });
        let mut events = bus.listen();
        for _ in 0..BACKLOG + 10 {
            bus.send(EventKind::Phase { phase: Phase::Idle });
        }
        let missed = events.next().await.unwrap();
        assert_eq!(
            (missed.seq, missed.kind),
            (11, EventKind::Missed { count: 10 })
        );
        assert_eq!(events.next().await.map(|e| e.seq), Some(12));
    }
}
