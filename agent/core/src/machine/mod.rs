//! The state machine that the executor is driven by.

mod event;
mod state;
#[cfg(test)]
mod tests;
mod transition;

pub use event::{Action, Event, IllegalEvent, Then};
pub use transition::Machine;
