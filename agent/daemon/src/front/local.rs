//! The unix socket of the local API.

use super::access::group_of;
use super::server::ServeError;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use tokio::net::UnixListener;

/// Root and the operators' group may connect.
const SOCKET_MODE: u32 = 0o660;
/// Nobody may, until owner and mode are set.
const UNFINISHED_SUFFIX: &str = "new";

/// Listens on `path`, taking the place of a socket that an earlier run left there. The socket has
/// its final owner and mode before it has its name.
pub(crate) fn listen(path: &Path, group: &str) -> Result<UnixListener, ServeError> {
    bind(path, group).map_err(|source| ServeError::Local {
        path: path.to_owned(),
        source,
    })
}

fn bind(path: &Path, group: &str) -> io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let unfinished = path.with_extension(UNFINISHED_SUFFIX);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unfinished)?;
    match group_of(group) {
        Some(gid) => chown(&unfinished, Some(0), Some(gid.as_raw()))?,
        None => log::warn!(group; "there is no group {group}: only root may use the local API"),
    }
    std::fs::set_permissions(&unfinished, Permissions::from_mode(SOCKET_MODE))?;
    std::fs::rename(&unfinished, path)?;
    Ok(listener)
}
