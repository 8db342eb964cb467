//! orlop: the operator's command.

fn main() {}
