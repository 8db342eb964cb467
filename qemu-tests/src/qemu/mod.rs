//! Machines made by QEMU: the real disk image under UEFI firmware.

mod accel;
mod command;
mod firmware;

pub use accel::Accel;
pub use command::{DISK_FILE, Qemu, QemuError, QemuSpec, WRITES_FILE};
pub use firmware::{Firmware, FirmwareError};
