//! PID 1 of the initrd, and the mounting of a root that the agent and the test machines share.

fn main() {}
