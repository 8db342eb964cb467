//! A TCP relay before a server, which can hold what the server sends, and lead to another server.

use orlop_machines::{Lan, free_port};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Bytes passed on at once.
const CHUNK_BYTES: usize = 16 << 10;

struct State {
    server: SocketAddr,
    /// More bytes of the server than these are not passed on.
    hold_after: Option<u64>,
    held: bool,
    passed: u64,
    /// Counts the cuts; a connection of before the last one ends.
    cuts: u32,
}

/// The relay. Its threads end with the test's process.
pub(crate) struct Tap {
    address: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Tap {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let address = free_port().unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let state = State {
            server,
            hold_after: None,
            held: false,
            passed: 0,
            cuts: 0,
        };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let tap = Self {
            address,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A connection that breaks is what the test is about.
                thread::spawn(move || drop(relay(client, &shared)));
            }
        });
        tap
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How a machine calls the server behind it.
    pub(crate) fn name_for_machines(&self) -> String {
        format!("{}:{}", Lan::gateway(), self.port())
    }

    /// Passes on only so many bytes more.
    pub(crate) fn hold_after(&self, bytes: u64) {
        self.change(|state| state.hold_after = Some(state.passed + bytes));
    }

    /// Waits until something is held back.
    pub(crate) fn wait_held(&self, deadline: Duration) {
        let (state, changed) = &*self.shared;
        let state = state.lock().unwrap();
        let (state, _) = changed
            .wait_timeout_while(state, deadline, |state| !state.held)
            .unwrap();
        assert!(state.held, "only {} bytes have come", state.passed);
    }

    /// Ends every connection with what it holds back. New ones are not held.
    pub(crate) fn cut(&self) {
        self.change(|state| {
            (state.hold_after, state.held) = (None, false);
            state.cuts += 1;
        });
    }

    /// Where new connections go from now on.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        self.change(|state| state.server = server);
    }

    /// Bytes that the server has sent, as far as they were passed on.
    pub(crate) fn passed(&self) -> u64 {
        self.shared.0.lock().unwrap().passed
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.0.lock().unwrap());
        self.shared.1.notify_all();
    }
}

fn relay(mut client: TcpStream, shared: &(Mutex<State>, Condvar)) -> io::Result<()> {
    let (server, cuts) = {
        let state = shared.0.lock().unwrap();
        (state.server, state.cuts)
    };
    let mut server = TcpStream::connect(server)?;
    let (mut asks, mut asked) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut asks, &mut asked));
        drop(asked.shutdown(Shutdown::Write));
    });
    let done = answer(&mut server, &mut client, cuts, shared);
    client.shutdown(Shutdown::Both)?;
    done
}

fn answer(
    server: &mut TcpStream,
    client: &mut TcpStream,
    cuts: u32,
    (state, changed): &(Mutex<State>, Condvar),
) -> io::Result<()> {
    let mut buffer = [0; CHUNK_BYTES];
    loop {
        let n = server.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        let mut state = state.lock().unwrap();
        let passed = |state: &State| state.passed + n as u64;
        while state.hold_after.is_some_and(|limit| passed(&state) > limit) {
            state.held = true;
            changed.notify_all();
            state = changed.wait(state).unwrap();
        }
        if state.cuts != cuts {
            return Ok(());
        }
        state.passed = passed(&state);
        drop(state);
        client.write_all(&buffer[..n])?;
    }
}
