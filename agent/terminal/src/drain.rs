//! Waits until the last words of a container that has ended are written down.
//!
//! systemd kills what is left of a unit as soon as its main process has ended. What that wrote last may be in the terminal
//! still, so a unit with a terminal has this as `ExecStop=` and `ExecStopPost=`.

use crate::launch::ATTACH_SOCKET;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest that is waited: a little more than the holder gives itself.
const LIMIT: Duration = Duration::from_secs(2);
/// Set by systemd as long as the main process runs (systemd.exec(5)): the unit is told to stop, and there is nothing to
/// wait for yet.
const RUNS: &str = "MAINPID";
const CHUNK: usize = 4096;

/// Returns when nobody holds the far end of the container whose folder is `folder`, or after the limit.
pub(crate) fn drain(folder: &Path) {
    if std::env::var_os(RUNS).is_some_and(|pid| !pid.is_empty()) {
        return;
    }
    let begin = Instant::now();
    let Ok(mut stream) = UnixStream::connect(folder.join(ATTACH_SOCKET)) else {
        return;
    };
    let mut ignored = [0; CHUNK];
    loop {
        let rest = LIMIT.saturating_sub(begin.elapsed());
        if rest.is_zero() || stream.set_read_timeout(Some(rest)).is_err() {
            return;
        }
        if !matches!(stream.read(&mut ignored), Ok(1..)) {
            return;
        }
    }
}
