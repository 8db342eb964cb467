//! Generations, plans, the gate, the boot policy, verdicts and the state machine. Pure.

mod generation;

pub use generation::{ContainerImage, Generation, GenerationId, Origin, OsImage, Timestamp};
