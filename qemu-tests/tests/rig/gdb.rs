//! QEMU's debugger and monitor sockets, by which a test does to a guest what only failing hardware does.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take to answer.
const ANSWER: Duration = Duration::from_secs(60);
/// `cli; hlt; jmp` back to the `hlt`: a processor that nothing but a reset wakes.
const DEAD_END: &str = "faf4ebfd";
/// Number of the register `rip` in GDB's description of an x86-64 processor.
const RIP: &str = "10";
/// Addresses of the kernel are in the upper half.
const KERNEL: u64 = 1 << 63;

/// Sends the guest a non-maskable interrupt, as the button on a server's front does.
pub(crate) fn inject_nmi(qmp: &Path) {
    let stream = UnixStream::connect(qmp).unwrap();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let greeting = lines.next().unwrap().unwrap();
    assert!(greeting.contains("QMP"), "{greeting}");
    for command in ["qmp_capabilities", "inject-nmi"] {
        writeln!(&stream, "{{\"execute\":\"{command}\"}}").unwrap();
        let answer = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| !line.contains("\"event\""));
        let answer = answer.unwrap();
        assert!(answer.contains("\"return\""), "{answer}");
    }
}

/// Hangs the guest's kernel: its only processor stops for good, with interrupts off, at a moment at
/// which it is in the kernel.
pub(crate) fn hang(gdb: &Path) {
    loop {
        let mut stub = Stub::stop(gdb);
        let rip = u64::from_str_radix(&swapped(&stub.ask(&format!("p{RIP}"))), 16).unwrap();
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
        let stopped = stub.ask("?");
        assert!(stopped.starts_with(['T', 'S']), "{stopped}");
        stub
    }

    fn ask(&mut self, packet: &str) -> String {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}").unwrap();
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
