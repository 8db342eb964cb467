//! Tests of the state machine: every pair of state and event, and the paths that matter.
