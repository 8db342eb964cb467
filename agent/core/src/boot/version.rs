//! Versions as systemd compares them.
