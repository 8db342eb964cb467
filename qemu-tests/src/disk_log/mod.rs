//! Everything that a machine writes to its disk, in order.
//!
//! A [`Recorder`] is the machine's disk, as a network block device (NBD) on a unix socket: it serves a
//! raw image and logs every write, write of zeroes, discard and flush before it answers. The log says
//! what a flush covers: two requests of one *batch* were both on their way before either was
//! answered, so a flush promises only what was written in earlier batches.

mod entry;
mod protocol;
mod recorder;

pub use entry::{Action, Entry, LogError, LogReader, LogWriter};
pub use recorder::{Recorder, RecorderError};
