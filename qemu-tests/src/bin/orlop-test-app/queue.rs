//! A POSIX message queue, for containers that share IPC.

use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_receive, mq_send};
use nix::sys::stat::Mode;
use std::io;

const QUEUE: &str = "/orlop-test";
/// The most messages that wait, and the most bytes of one: what the kernel allows everybody (mq_overview(7)).
const MESSAGES: i64 = 10;
const BYTES: usize = 8192;

/// Puts `text` into the queue, which is made where there is none.
pub(crate) fn send(text: &str) -> io::Result<()> {
    let length = i64::try_from(BYTES).map_err(io::Error::other)?;
    let new = MqAttr::new(0, MESSAGES, length, 0);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_WRONLY | MQ_OFlag::O_NONBLOCK;
    let queue = mq_open(
        QUEUE,
        flags,
        Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IROTH,
        Some(&new),
    )?;
    Ok(mq_send(&queue, text.as_bytes(), 0)?)
}

/// Takes the oldest text out of the queue.
pub(crate) fn receive() -> io::Result<String> {
    let flags = MQ_OFlag::O_RDONLY | MQ_OFlag::O_NONBLOCK;
    let queue = mq_open(QUEUE, flags, Mode::empty(), None)?;
    let mut bytes = [0; BYTES];
    let length = mq_receive(&queue, &mut bytes, &mut 0)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}
