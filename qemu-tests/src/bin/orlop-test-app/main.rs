//! A small web server to run in containers: for tests, and to try Orlop with.
//!
//! | path | answer |
//! |---|---|
//! | `/` | `hello from <version>` |
//! | `/healthz` | 200, or 503 where it was told to be sick |
//! | `/started` | nanoseconds since 1970 at its start: another number is another process |
//! | `/file/PATH` | what is in the file `/PATH`, as text, or 500 and why it cannot be read |
//! | `/try/WAY` | `WAY: done`, or 500 and why a way out of the container does not lead out: attempt.rs |
//! | `/receive` | the oldest text in a message queue, or 500 and why there is none; `/try/send/TEXT` puts one there |
//! | `/exit/STATUS` | none: it ends with this status |
//! | `/orphan` | the process id of a child that was left behind and ends at once |
//! | `/ticks` | how many times a tenth of a second has passed since its start |
//! | `/stream` | a line `<number>` every 20 ms, without end |
//! | `/resolve/NAME` | the addresses of a name, one a line, sorted, or 500 and why there are none |
//!
//! A datagram to the same port is answered with `datagram from <version>`.
//! Told to waste memory or processor, it does nothing else.
//! Told to count, it appends a line `<number> <microseconds since its start>` to a file every 20 ms.

mod attempt;
mod network;
mod queue;
mod talk;

use clap::Parser;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

/// A client that says nothing for so long is let go.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two ticks.
const TICK: Duration = Duration::from_millis(100);
/// Time between two lines of a stream, and between two counts.
const STEP: Duration = Duration::from_millis(20);
/// A file of so many bytes is full enough.
const FULL: usize = 16 << 20;
/// Ticks in a second.
const TICKS_PER_SECOND: u32 = 10;
/// So many ticks are a line in the log.
const TICKS_PER_LINE: u32 = 100;

/// A small web server to run in containers.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, env = "APP_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// What to call itself.
    #[arg(long, env = "APP_VERSION", default_value = "1")]
    version: String,
    /// Be no server, but a task: end at once with this status.
    #[arg(long)]
    exit: Option<i32>,
    /// Be no server, but leave a child behind that ends at once, and tell its process id.
    #[arg(long)]
    leave_child: bool,
    /// Be no server, but write to this file until it is refused or has 16 MiB, and tell what came of it.
    #[arg(long)]
    fill: Option<PathBuf>,
    /// Be no server, but a talk: tell what terminal, user and directory there is, then repeat each line that
    /// comes until there is no more, or one is `end`.
    #[arg(long)]
    talk: bool,
    /// Write so many lines at once when it starts, and one every second from then on.
    #[arg(long)]
    chatter: Option<u32>,
    /// Become sick after so many answers about health.
    #[arg(long)]
    sick_after: Option<u32>,
    /// Never be healthy.
    #[arg(long, env = "APP_SICK")]
    sick: bool,
    /// Be no server, but take without end.
    #[arg(long, value_enum)]
    waste: Option<Waste>,
    /// Append a counter to this file.
    #[arg(long, env = "APP_COUNT_TO")]
    count_to: Option<PathBuf>,
}

/// What there can be too much of.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Waste {
    /// Memory, until it is refused or the program is killed.
    Memory,
    /// All of a processor.
    Processor,
}

impl Waste {
    fn run(self) -> ! {
        const BLOCK: usize = 1 << 20;
        let mut blocks = Vec::new();
        loop {
            match self {
                // Not zeros, which would take no memory.
                Self::Memory => blocks.push(std::hint::black_box(vec![1_u8; BLOCK])),
                Self::Processor => std::hint::spin_loop(),
            }
        }
    }
}

struct App {
    options: Options,
    asked: AtomicU32,
    started: Instant,
    started_nanos: u128,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(done) = be_no_server(&options) {
        return done;
    }
    thread::spawn(|| match wait_for_stop() {
        Ok(()) => {
            println!("asked to stop");
            std::process::exit(0)
        }
        Err(error) => println!("cannot wait for SIGTERM, so SIGKILL has to end this: {error}"),
    });
    let listener = TcpListener::bind(options.listen)?;
    let started_nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    println!("started version {}", options.version);
    if let Some(lines) = options.chatter {
        thread::spawn(move || {
            for number in 0..lines {
                println!("chatter {number}");
            }
            loop {
                thread::sleep(TICK * TICKS_PER_SECOND);
                println!("chatter goes on");
            }
        });
    }
    let app: &App = Box::leak(Box::new(App {
        options,
        asked: AtomicU32::new(0),
        started: Instant::now(),
        started_nanos,
    }));
    thread::spawn(move || app.log_ticks());
    match UdpSocket::bind(app.options.listen) {
        Ok(socket) => {
            let answer = format!("datagram from {}", app.options.version);
            thread::spawn(move || network::answer_datagrams(&socket, &answer));
        }
        Err(error) => println!("datagrams are not answered: {error}"),
    }
    if let Some(path) = &app.options.count_to {
        let mut file = File::options().append(true).create(true).open(path)?;
        thread::spawn(move || {
            if let Err(error) = app.count_to(&mut file) {
                println!("cannot count any more: {error}");
            }
        });
    }
    for client in listener.incoming() {
        let client = client?;
        let serving = thread::Builder::new().spawn(move || {
            if let Err(error) = app.serve(&client) {
                println!("client went away: {error}");
            }
        });
        // As when it tries to fork without end.
        if let Err(error) = serving {
            println!("client is not served: {error}");
        }
    }
    Ok(())
}

/// Does what is asked of a program that is no server; nothing where it is to be one.
fn be_no_server(options: &Options) -> Option<io::Result<()>> {
    if let Some(status) = options.exit {
        println!(
            "task of version {} ends with status {status}",
            options.version
        );
        std::process::exit(status);
    }
    if let Some(waste) = options.waste {
        waste.run();
    }
    if options.leave_child {
        return Some(leave_child());
    }
    if let Some(path) = &options.fill {
        return Some(fill(path));
    }
    options.talk.then(talk::talk)
}

fn leave_child() -> io::Result<()> {
    let mut child = myself(&["--exit", "0"])?;
    println!("{}", child.stdout(Stdio::null()).spawn()?.id());
    Ok(())
}

fn fill(path: &Path) -> io::Result<()> {
    const CHUNK: usize = 256 << 10;
    let mut file = File::create(path)?;
    let mut written = 0;
    while written < FULL {
        // Not zeros, which would take no room on some file systems.
        match file.write_all(&[1; CHUNK]).and_then(|()| file.sync_data()) {
            Ok(()) => written += CHUNK,
            Err(error) => {
                println!("{written} bytes, then: {error}");
                return Ok(());
            }
        }
    }
    println!("{written} bytes");
    Ok(())
}

/// This program once more, with other arguments.
fn myself(arguments: &[&str]) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Leaves a child of a child behind, which ends at once: its process id.
fn leave_orphan() -> io::Result<String> {
    let output = myself(&["--leave-child"])?.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns when the container is to stop. A container's first process is not ended by a signal that
/// it does not handle, so without this each stop would take as long as its limit.
fn wait_for_stop() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        signal(SignalKind::terminate())?.recv().await;
        Ok(())
    })
}

impl App {
    fn is_sick(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.options.sick || self.options.sick_after.is_some_and(|well| asked >= well)
    }

    fn ticks(&self) -> u128 {
        self.started.elapsed().as_millis() / TICK.as_millis()
    }

    fn log_ticks(&self) {
        loop {
            thread::sleep(TICK * TICKS_PER_LINE);
            println!("ticks {}", self.ticks());
        }
    }

    /// Each count is a write of its own, so that the file shows when this process did not run.
    fn count_to(&self, file: &mut File) -> io::Result<()> {
        for number in 0_u64.. {
            writeln!(file, "{number} {}", self.started.elapsed().as_micros())?;
            thread::sleep(STEP);
        }
        Ok(())
    }

    fn stream(mut client: &TcpStream) -> io::Result<()> {
        write!(client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        for number in 0_u64.. {
            writeln!(client, "{number}")?;
            thread::sleep(STEP);
        }
        Ok(())
    }

    fn serve(&self, mut client: &TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(CLIENT_TIMEOUT))?;
        let mut reader = BufReader::new(client);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut header = String::from("more");
        while !header.trim().is_empty() {
            header.clear();
            if reader.read_line(&mut header)? == 0 {
                break;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path == "/stream" {
            return Self::stream(client);
        }
        let (status, body) = self.answer(path);
        let length = body.len();
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }

    fn answer(&self, path: &str) -> (&'static str, String) {
        const OK: &str = "200 OK";
        const FILE: &str = "/file/";
        const TRY: &str = "/try/";
        const EXIT: &str = "/exit/";
        const RESOLVE: &str = "/resolve/";
        const FAILED: &str = "500 Internal Server Error";
        match path {
            "/" => (OK, format!("hello from {}\n", self.options.version)),
            "/healthz" if self.is_sick() => ("503 Service Unavailable", "sick\n".to_owned()),
            "/healthz" => (OK, "well\n".to_owned()),
            "/started" => (OK, format!("{}\n", self.started_nanos)),
            "/ticks" => (OK, format!("{}\n", self.ticks())),
            file if file.starts_with(FILE) => {
                let path = Path::new("/").join(&file[FILE.len()..]);
                match fs::read(&path) {
                    Ok(bytes) => (OK, String::from_utf8_lossy(&bytes).into_owned()),
                    Err(error) => {
                        let why = format!("cannot read {}: {error}\n", path.display());
                        (FAILED, why)
                    }
                }
            }
            way if way.starts_with(TRY) => match attempt::attempt(&way[TRY.len()..]) {
                Ok(done) => (OK, done),
                Err(error) => (FAILED, format!("{error}\n")),
            },
            "/receive" => match queue::receive() {
                Ok(text) => (OK, text),
                Err(error) => (FAILED, format!("{error}\n")),
            },
            "/orphan" => match leave_orphan() {
                Ok(pid) => (OK, pid),
                Err(error) => (FAILED, format!("{error}\n")),
            },
            name if name.starts_with(RESOLVE) => match network::resolve(&name[RESOLVE.len()..]) {
                Ok(addresses) => (OK, addresses),
                Err(error) => (FAILED, format!("{error}\n")),
            },
            end if end.starts_with(EXIT) => {
                std::process::exit(end[EXIT.len()..].parse().unwrap_or(1))
            }
            _ => ("404 Not Found", "no such page\n".to_owned()),
        }
    }
}
