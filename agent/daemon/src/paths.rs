//! Where everything is. One value, so that a test can put a whole node into a temporary directory.

use std::path::{Path, PathBuf};

/// The places of a node (docs/design/loop.md, "Paths on a node"). The pure crates name absolute
/// paths; [`Paths::place`] says where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
    credentials: Option<PathBuf>,
}

impl Paths {
    /// The paths of a real node.
    pub fn node() -> Self {
        Self {
            root: PathBuf::from("/"),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// The same tree below `root`, without credentials.
    pub fn under(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            credentials: None,
        }
    }

    /// Whether this is the machine's own tree. Only then may the machine itself be touched: its host
    /// name, its network, its console.
    pub fn are_the_machines(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where the absolute path `path` is.
    pub fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The state partition.
    pub fn state_root(&self) -> PathBuf {
        self.place("/state")
    }

    /// The agent's own records.
    pub fn state(&self) -> PathBuf {
        self.place("/state/orlop")
    }

    /// The content store.
    pub fn store(&self) -> PathBuf {
        self.place("/state/store")
    }

    /// Rendered configuration.
    pub fn etc(&self) -> PathBuf {
        self.place("/etc")
    }

    /// Run-time files.
    pub fn run(&self) -> PathBuf {
        self.place("/run/orlop")
    }

    /// What the OS image says of itself (os-release(5)).
    pub fn os_release(&self) -> PathBuf {
        self.place("/usr/lib/os-release")
    }

    /// Where a soft reboot takes the next root from.
    pub fn next_root(&self) -> PathBuf {
        self.place("/run/nextroot")
    }

    /// The ESP.
    pub fn esp(&self) -> PathBuf {
        self.place("/efi")
    }

    /// What is mounted as `/`.
    pub fn boot_json(&self) -> PathBuf {
        self.place("/etc/orlop/boot.json")
    }

    /// Where file systems are mounted for a moment on the way to their place.
    #[must_use]
    pub fn passing_mounts(&self) -> PathBuf {
        self.place("/run/orlop/mounting")
    }

    /// The local API's socket.
    pub fn api_socket(&self) -> PathBuf {
        self.place("/run/orlop/api.sock")
    }

    /// The machine's id.
    pub fn machine_id(&self) -> PathBuf {
        self.place("/state/orlop/machine-id")
    }

    /// The API's own key and certificate.
    pub fn pki(&self) -> PathBuf {
        self.place("/state/orlop/pki")
    }

    /// The operator's TOML for the first boot, on the ESP.
    pub fn first_boot_toml(&self) -> PathBuf {
        self.place("/efi/orlop/node.toml")
    }

    /// The operator's TOML for the first boot, as a systemd credential.
    pub fn first_boot_credential(&self) -> Option<PathBuf> {
        self.credentials.as_ref().map(|dir| dir.join("orlop.node"))
    }
}
