//! QEMU's debugger and monitor sockets, by which a test does to a guest what only failing hardware does.

use super::qemu::SWITCH;
use orlop_machines::Machine;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take to answer.
const ANSWER: Duration = Duration::from_secs(60);
/// `cli; hlt; jmp` back to the `hlt`: a processor that nothing but a reset wakes.
const DEAD_END: &str = "faf4ebfd";
/// Where the register `rip` is among those of an x86-64 processor, in hexadecimal digits: after 16
/// others of 8 bytes.
const RIP: std::ops::Range<usize> = 256..272;
/// Addresses of the kernel are in the upper half.
const KERNEL: u64 = 1 << 63;

/// QEMU's monitor (its QEMU Machine Protocol): a greeting, `qmp_capabilities`, then commands.
pub(crate) struct Monitor {
    stream: UnixStream,
    lines: Lines<BufReader<UnixStream>>,
}

impl Monitor {
    /// Connects to the monitor of a machine.
    pub(crate) fn of(machine: &Machine) -> Self {
        let stream = UnixStream::connect(machine.dir().join("qmp.sock")).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let greeting = lines.next().unwrap().unwrap();
        assert!(greeting.contains("QMP"), "{greeting}");
        let mut monitor = Self { stream, lines };
        monitor.run("qmp_capabilities");
        monitor
    }

    /// Sends the guest a non-maskable interrupt, as the button on a server's front does.
    pub(crate) fn inject_nmi(&mut self) {
        self.run("inject-nmi");
    }

    /// Has the guest stand still where it would start again, instead of that.
    pub(crate) fn hold_restarts(&mut self) {
        self.act_on_restarts("shutdown", "pause");
    }

    fn act_on_restarts(&mut self, reboot: &str, shutdown: &str) {
        self.ask(&json!({
            "execute": "set-action",
            "arguments": { "reboot": reboot, "shutdown": shutdown },
        }));
    }

    /// Waits until the guest stands still there.
    pub(crate) fn wait_held(&mut self, machine: &Machine) {
        self.wait_held_or_not(true, machine);
    }

    fn wait_held_or_not(&mut self, wanted: bool, machine: &Machine) {
        let reached = machine.wait("a guest that starts again", SWITCH, || {
            let status = self.run("query-status")["status"].clone();
            let held = status == "shutdown";
            (held == wanted)
                .then_some(())
                .ok_or_else(|| status.to_string())
        });
        reached.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Lets it start again, once.
    pub(crate) fn go_on(&mut self, machine: &Machine) {
        self.reset(machine);
        self.hold_restarts();
        self.run("cont");
    }

    /// Lets it start again, this time and from now on.
    pub(crate) fn restart(mut self, machine: &Machine) {
        self.reset(machine);
        self.run("cont");
    }

    /// Resets the guest, which then waits. While restarts are held, this one would be too.
    fn reset(&mut self, machine: &Machine) {
        self.act_on_restarts("reset", "poweroff");
        self.run("system_reset");
        // QEMU comes to it later, and refuses to go on before.
        self.wait_held_or_not(false, machine);
    }

    fn run(&mut self, command: &str) -> Value {
        self.ask(&json!({ "execute": command }))
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.stream, "{command}").unwrap();
        let mut answers = self.lines.by_ref().map(|line| {
            let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
            answer
        });
        let answer = answers
            .find(|answer| answer.get("event").is_none())
            .unwrap();
        assert!(answer.get("return").is_some(), "{answer}");
        answer["return"].clone()
    }
}

/// Hangs the guest's kernel: its only processor stops for good, with interrupts off, at a moment at
/// which it is in the kernel.
pub(crate) fn hang(gdb: &Path) {
    loop {
        let mut stub = Stub::stop(gdb);
        let registers = stub.ask("g");
        let rip = u64::from_str_radix(&swapped(&registers[RIP]), 16).unwrap();
        let done = rip & KERNEL != 0 && stub.ask(&format!("M{rip:x},4:{DEAD_END}")) == "OK";
        // Lets the guest go on.
        assert_eq!(stub.ask("D"), "OK");
        if done {
            println!("hung the kernel at {rip:#x}");
            return;
        }
    }
}

/// Hexadecimal bytes in the other order.
fn swapped(hex: &str) -> String {
    let bytes: Vec<_> = hex.as_bytes().chunks(2).rev().collect();
    String::from_utf8(bytes.concat()).unwrap()
}

/// GDB's remote serial protocol, as far as it is of use here.
struct Stub(UnixStream);

impl Stub {
    /// Connects, which stops the guest.
    fn stop(gdb: &Path) -> Self {
        let stream = UnixStream::connect(gdb).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        let mut stub = Self(stream);
        stub.send("?");
        let stopped = stub.answer();
        assert!(stopped.starts_with('T'), "{stopped}");
        stub
    }

    /// The answer to a packet. That the guest has stopped is said once more, at any time.
    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        loop {
            let answer = self.answer();
            if !answer.starts_with('T') {
                return answer;
            }
        }
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}").unwrap();
    }

    fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        while self.byte() != b'$' {}
        loop {
            match self.byte() {
                b'#' => break,
                byte => answer.push(byte),
            }
        }
        let _checksum = [self.byte(), self.byte()];
        self.0.write_all(b"+").unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        byte[0]
    }
}
