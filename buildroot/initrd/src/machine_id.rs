//! The node's machine id: made once, kept on the state partition.

use crate::atomic_write::{atomic_write, sync_dir};
use crate::state;
use rustix::rand::GetRandomFlags;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// Bytes of a machine id, machine-id(5).
const ID_LEN: usize = 16;

/// Reads the machine id of the node whose state partition is at `state`; makes one if there is
/// none or if what is there is not one. Returns 32 hex digits and a newline. A new id is on disk
/// (file and directories synced) before this returns.
///
/// # Errors
/// If it can be neither read nor written.
pub fn ensure(state: &Path) -> io::Result<String> {
    let path = state::machine_id(state);
    match std::fs::read_to_string(&path) {
        Ok(text) if is_machine_id(&text) => return Ok(text),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = generate()?;
    std::fs::create_dir_all(state::agent(state))?;
    sync_dir(state)?;
    atomic_write(&path, id.as_bytes(), 0o444)?;
    Ok(id)
}

fn is_machine_id(text: &str) -> bool {
    text.strip_suffix('\n').is_some_and(|hex| {
        hex.len() == 2 * ID_LEN
            && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            && hex.bytes().any(|b| b != b'0')
    })
}

/// Random, marked as a version 4 UUID as machine-id(5) asks.
fn generate() -> io::Result<String> {
    let mut bytes = [0_u8; ID_LEN];
    let mut filled = 0;
    while filled < ID_LEN {
        filled += rustix::rand::getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(2 * ID_LEN + 1);
    for byte in bytes {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_id_is_made_once_and_kept() {
        let state = tempfile::tempdir().unwrap();
        let first = ensure(state.path()).unwrap();
        assert!(is_machine_id(&first), "{first:?}");
        assert_eq!(ensure(state.path()).unwrap(), first);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(ensure(other.path()).unwrap(), first);
    }

    #[test]
    fn a_torn_machine_id_is_replaced() {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("orlop")).unwrap();
        for torn in [
            "",
            "\n",
            "0123\n",
            &format!("{}\n", "0".repeat(32)),
            &"A".repeat(33),
        ] {
            std::fs::write(state::machine_id(state.path()), torn).unwrap();
            let id = ensure(state.path()).unwrap();
            assert!(is_machine_id(&id), "{torn:?} gave {id:?}");
            std::fs::remove_file(state::machine_id(state.path())).unwrap();
        }
    }
}
