//! Plans: what has to be done, step by step, to get a node from what it is to what it should be.

mod blocked;
#[cfg(test)]
mod confirm_tests;
mod draft;
mod ending;
mod enter;
mod goal;
mod interrupts;
#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod live_tests;
mod means;
mod observed;
mod pin;
mod release;
mod settle;
mod stage;
mod step;
mod switch;
#[cfg(test)]
mod tests;
mod text;

pub use blocked::Blocked;
pub use goal::{Asker, Goal, Plan, plan};
pub use means::Means;
pub use observed::{Esp, Observed, Policy};
pub use step::{Ends, Otherwise, Step};
