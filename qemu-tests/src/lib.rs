//! Machines for tests: namespace and QEMU machines, and the scenarios that run on them.
