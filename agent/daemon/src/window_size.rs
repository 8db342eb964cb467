//! The size of a terminal.

use orlop_api::WindowSize;
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::AsFd;

/// Gives a terminal another size; the kernel tells whoever works in it.
pub(crate) fn set(terminal: impl AsFd, size: WindowSize) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}
