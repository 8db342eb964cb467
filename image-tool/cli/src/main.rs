//! orlop-image: build, inspect, disk, push, serve.

fn main() {}
