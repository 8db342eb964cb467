//! A network that namespace machines share: a bridge in a network namespace of its own.
//!
//! The host's interfaces are left alone. What runs on the host reaches the machines by doing its
//! socket calls in that namespace ([`Lan::inside`], [`Lan::connect`]). The namespace lives as long
//! as somebody holds it open, so it cannot be left behind.

use crate::spec::LanPort;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// The network that machines are in, a /24: the addresses are those of QEMU's user network, so that
/// one node TOML is right for both kinds of machine.
const NETWORK: [u8; 3] = [10, 0, 2];
/// Length of the network's prefix in bits.
const PREFIX_BITS: u8 = 24;
/// The interface of the machines' bridge.
const BRIDGE: &str = "lan0";
/// The machine's interface, by its name in the machine.
const INTERFACE: &str = "eth0";
/// Last byte of the bridge's address, which stands for the host.
const HOST: u8 = 2;
/// Last byte of the first machine's address.
const FIRST_MACHINE: u8 = 15;
/// Last byte of the last machine's address; 255 is the broadcast address.
const LAST_MACHINE: u8 = 254;
/// How long a connection to a machine may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A network of machines cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// No network namespace.
    #[error("cannot make a network namespace (this needs root)")]
    Namespace(#[source] nix::Error),
    /// A network namespace cannot be opened.
    #[error("cannot open the network namespace {path}")]
    Open {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A network namespace cannot be entered.
    #[error("cannot enter the network of the machines")]
    Enter(#[source] nix::Error),
    /// `ip` does not start.
    #[error("cannot run ip: is iproute2 installed?")]
    NoIp(#[source] io::Error),
    /// `ip` failed.
    #[error("cannot do `ip {arguments}`: {message}")]
    Ip {
        /// Its arguments.
        arguments: String,
        /// What it said.
        message: String,
    },
    /// Every address is given away.
    #[error("cannot add a machine to the network: all its addresses are taken")]
    Full,
}

/// A network of machines.
#[derive(Debug)]
pub struct Lan {
    netns: File,
    next: AtomicU8,
}

impl Lan {
    /// Makes a network without machines.
    ///
    /// # Errors
    /// No right to make network namespaces, no `ip` command, no bridges in the kernel.
    pub fn new() -> Result<Self, LanError> {
        let netns = thread::scope(|scope| {
            let made = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).map_err(LanError::Namespace)?;
                make_bridge()?;
                open_netns(Path::new("/proc/thread-self/ns/net"))
            });
            made.join().expect("making a bridge does not panic")
        })?;
        Ok(Self {
            netns,
            next: AtomicU8::new(FIRST_MACHINE),
        })
    }

    /// The bridge's own address: where a machine reaches what runs in the network for the host.
    pub fn gateway() -> Ipv4Addr {
        address(HOST)
    }

    /// Every address that a machine may have.
    pub fn addresses() -> impl Iterator<Item = Ipv4Addr> {
        (FIRST_MACHINE..=LAST_MACHINE).map(address)
    }

    /// A place for one more machine.
    ///
    /// # Errors
    /// All 240 addresses are taken.
    pub fn port(&self) -> Result<LanPort, LanError> {
        let host = self.next.fetch_add(1, Ordering::Relaxed);
        if !(FIRST_MACHINE..=LAST_MACHINE).contains(&host) {
            self.next.store(LAST_MACHINE + 1, Ordering::Relaxed);
            return Err(LanError::Full);
        }
        let pid = std::process::id();
        let netns = PathBuf::from(format!("/proc/{pid}/fd/{}", self.netns.as_raw_fd()));
        Ok(LanPort {
            netns,
            address: address(host),
        })
    }

    /// Does `work` in the network. Sockets made and processes started in it stay in it.
    ///
    /// # Errors
    /// The network cannot be entered.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LanError> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                setns(&self.netns, CloneFlags::CLONE_NEWNET).map_err(LanError::Enter)?;
                Ok(work())
            });
            match worker.join() {
                Ok(done) => done,
                // A failed assertion in `work` must fail the test that made it.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Opens a connection to a machine.
    ///
    /// # Errors
    /// As connect(2); `Other` where the network cannot be entered.
    pub fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.inside(|| TcpStream::connect_timeout(&to, CONNECT_TIMEOUT))
            .map_err(io::Error::other)?
    }
}

/// Moves the calling thread, and what it starts from now on, into the network of `port`.
///
/// # Errors
/// The network is gone or cannot be entered.
pub(crate) fn join(port: &LanPort) -> Result<(), LanError> {
    let netns = open_netns(&port.netns)?;
    setns(netns, CloneFlags::CLONE_NEWNET).map_err(LanError::Enter)
}

/// Plugs the machine in: one end of a cable in the bridge, the other in the machine. Called in the
/// bridge's network namespace, and where children are in the machine's pid namespace: to them its
/// init is process 1.
///
/// # Errors
/// What `ip` says.
pub(crate) fn plug(port: &LanPort) -> Result<(), LanError> {
    let host = port.address.octets()[3];
    let cable = format!("port{host}");
    // A machine that was cut off leaves its end behind until the kernel has cleaned up.
    if let Err(error) = ip(&["link", "delete", &cable]) {
        log::debug!("ignoring: no old {cable}: {error}");
    }
    let mac = format!("02:00:0a:00:02:{host:02x}");
    let machine = ["type", "veth", "peer", "name", INTERFACE, "address", &mac];
    let add = ["link", "add", "name", &cable, "master", BRIDGE];
    ip(&[&add[..], &machine[..], &["netns", "1"]].concat())?;
    ip(&["link", "set", &cable, "up"])
}

/// Gives the machine its address. Called in the machine's network namespace.
///
/// # Errors
/// What `ip` says.
pub(crate) fn configure(port: &LanPort) -> Result<(), LanError> {
    ip(&[
        "address",
        "add",
        &format!("{}/{PREFIX_BITS}", port.address),
        "dev",
        INTERFACE,
    ])?;
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "set", INTERFACE, "up"])?;
    ip(&[
        "route",
        "add",
        "default",
        "via",
        &Lan::gateway().to_string(),
    ])
}

/// The systemd.network(5) file that says the same as [`configure`].
pub(crate) fn networkd_unit(port: &LanPort) -> String {
    let (address, gateway) = (port.address, Lan::gateway());
    format!(
        "[Match]\nName={INTERFACE}\n\n[Network]\nAddress={address}/{PREFIX_BITS}\n\
         Gateway={gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )
}

fn address(host: u8) -> Ipv4Addr {
    let [a, b, c] = NETWORK;
    Ipv4Addr::new(a, b, c, host)
}

fn make_bridge() -> Result<(), LanError> {
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "add", "name", BRIDGE, "type", "bridge"])?;
    ip(&[
        "address",
        "add",
        &format!("{}/{PREFIX_BITS}", Lan::gateway()),
        "dev",
        BRIDGE,
    ])?;
    ip(&["link", "set", BRIDGE, "up"])
}

fn open_netns(path: &Path) -> Result<File, LanError> {
    File::open(path).map_err(|source| LanError::Open {
        path: path.to_owned(),
        source,
    })
}

fn ip(arguments: &[&str]) -> Result<(), LanError> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(LanError::NoIp)?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LanError::Ip {
        arguments: arguments.join(" "),
        message,
    })
}
