//! The operator's terminal, lent to a program in a container.

use orlop_api::{Fault, FaultKind, WindowSize};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, stdin};

/// A terminal that passes every key on, as long as this lives; it is as before then.
pub(crate) struct RawTerminal(Termios);

impl RawTerminal {
    /// Takes the terminal that is stdin.
    ///
    /// # Errors
    /// `Usage` where stdin is none.
    pub(crate) fn take() -> Result<Self, Fault> {
        if !isatty(stdin()) {
            let message = "cannot give the command a terminal: stdin is none";
            return Err(Fault::new(FaultKind::Usage, message).hint("leave -t out"));
        }
        let fail = |error: rustix::io::Errno| {
            let message = format!("cannot set the terminal up: {error}");
            Fault::new(FaultKind::Internal, message)
        };
        let before = tcgetattr(stdin()).map_err(fail)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).map_err(fail)?;
        Ok(Self(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(stdin(), OptionalActions::Now, &self.0) {
            eprintln!("cannot set the terminal back: {error}; `reset` does");
        }
    }
}

/// The size of the terminal that is stdin.
pub(crate) fn size() -> io::Result<WindowSize> {
    let size = tcgetwinsize(stdin())?;
    Ok(WindowSize {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}
