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

    /// Everything that happens from now on. A reader that is too slow loses the oldest.
    pub fn listen(&self) -> BoxStream<'static, Event> {
        let receiver = self.sender.subscribe();
        stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    Err(RecvError::Lagged(lost)) => log::debug!(lost; "a reader of events is slow"),
                    Err(RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_api::Phase;

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_events_and_goes_on() {
        let bus = EventBus::default();
        let mut events = bus.listen();
        for _ in 0..BACKLOG + 10 {
            bus.send(EventKind::Phase { phase: Phase::Idle });
        }
        assert_eq!(events.next().await.map(|e| e.seq), Some(11));
    }
}
