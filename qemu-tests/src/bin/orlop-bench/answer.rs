//! Waiting, closely enough to measure what is waited for.

use crate::Outcome;
use hyper::Method;
use orlop_machines::http::ask_tcp;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two tries, short next to what is measured.
const RETRY: Duration = Duration::from_millis(1);
/// For anything that is waited for.
const DEADLINE: Duration = Duration::from_secs(120);
/// So long a container may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// A connection may take so long to open.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tries again until it goes well.
pub(crate) fn until<T>(attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    within(DEADLINE, attempt)
}

fn within<T>(deadline: Duration, mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let end = Instant::now() + deadline;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => thread::sleep(RETRY),
        }
    }
}

/// Waits until a container answers a request for `path`.
pub(crate) fn wait_answer(address: SocketAddr, path: &str) -> Outcome<()> {
    within(ANSWER_DEADLINE, || {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        let answer = ask_tcp(stream, Method::GET, path, "")?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(format!("the container at {address} answers {}", answer.status).into())
    })
}
