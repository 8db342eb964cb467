//! A command in a container, by the frames of its connection.

use super::containers::outside;
use super::node::{Node, READY};
use orlop_api::{EXEC_PROTOCOL, Frame, FrameDecoder, FrameKind};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// A connection that is no longer HTTP.
pub(crate) struct Session {
    stream: UnixStream,
    decoder: FrameDecoder,
    shown: String,
    /// How much of it has been waited for.
    seen: usize,
    exit: Option<u8>,
}

impl Session {
    /// Asks for it; the node must switch protocols.
    pub(crate) fn open(node: &Node<'_>, path: &str, request: &Value) -> Self {
        let mut stream = UnixStream::connect(outside(node, "/run/orlop/api.sock")).unwrap();
        stream.set_read_timeout(Some(READY)).unwrap();
        let body = request.to_string();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: orlop\r\nConnection: upgrade\r\nUpgrade: {EXEC_PROTOCOL}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self {
            stream,
            decoder: FrameDecoder::default(),
            shown: String::new(),
            seen: 0,
            exit: None,
        }
    }

    pub(crate) fn send(&mut self, kind: FrameKind, content: &[u8]) {
        self.stream
            .write_all(&Frame::encode(kind, content))
            .unwrap();
    }

    /// Waits until this is shown, after what was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(self.exit.is_none(), "{:?} in {:?}", text, self.shown);
            self.read();
        }
    }

    /// Waits for the end; the exit status.
    pub(crate) fn wait_exit(&mut self) -> u8 {
        loop {
            match self.exit {
                Some(status) => return status,
                None => self.read(),
            }
        }
    }

    /// All output, of errors too.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the connection ended after {:?}", self.shown);
        self.decoder.push(&buffer[..read]);
        while let Some(frame) = self.decoder.next_frame().unwrap() {
            match frame.kind {
                FrameKind::Stdout | FrameKind::Stderr => {
                    self.shown
                        .push_str(&String::from_utf8_lossy(&frame.content));
                }
                FrameKind::Exit => self.exit = frame.content.first().copied(),
                FrameKind::Stdin | FrameKind::Alive | FrameKind::Resize => {}
            }
        }
    }
}
