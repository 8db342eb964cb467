//! Devices by path, `"/dev/ttyUSB0"`, or by their vendor's name, `"nvidia.com/gpu=0"`.

use super::Problem;
use super::host_path::device;
use crate::model::{CdiDevice, Device};

/// A device that a container asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceWish {
    /// By its path on the host.
    Path(Device),
    /// By its vendor's name.
    Cdi(CdiDevice),
}

/// A device of the host, by path or name.
pub(crate) fn device_wish(text: &str) -> Result<DeviceWish, Problem> {
    if text.starts_with('/') || !text.contains('=') {
        return device(text).map(DeviceWish::Path);
    }
    CdiDevice::new(text).map(DeviceWish::Cdi).ok_or_else(|| {
        Problem::new(format!(
            "`{text}` is not a name of the Container Device Interface"
        ))
        .help("write `vendor/class=name`, such as \"nvidia.com/gpu=0\"")
    })
}
