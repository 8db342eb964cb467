//! Running a command in a container: the request, and the frames of the connection that it becomes.
//!
//! A frame is one byte that says what it is, the length of its content in four bytes, the highest first,
//! and the content.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The protocol that the connection is upgraded to (HTTP `Upgrade`).
pub const EXEC_PROTOCOL: &str = "orlop-exec-1";
/// The longest content of a frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Bytes before a frame's content.
const HEAD: usize = 5;

/// Run a command in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid` of the container; none is the container's own.
    pub user: Option<String>,
    /// Absolute path of the working directory; none is the container's own.
    pub workdir: Option<String>,
    /// `NAME=value`, over the container's own.
    pub env: Vec<String>,
    /// Whether the client sends input; without it the command has none.
    pub stdin: bool,
    /// The size of the client's terminal, where the command is to have one; then all its output is one.
    pub terminal: Option<WindowSize>,
}

/// Join a container's terminal or its input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttachRequest {
    /// The size of the client's terminal, where it has one.
    pub terminal: Option<WindowSize>,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl WindowSize {
    /// The content of a frame of this size.
    pub fn encode(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.rows.to_be_bytes(), self.columns.to_be_bytes());
        [a, b, c, d]
    }

    /// The size in a frame's content, if there is one.
    pub fn decode(content: &[u8]) -> Option<Self> {
        let &[a, b, c, d] = content else {
            return None;
        };
        Some(Self {
            rows: u16::from_be_bytes([a, b]),
            columns: u16::from_be_bytes([c, d]),
        })
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Input, from the client; an empty one is its end.
    Stdin,
    /// Output.
    Stdout,
    /// Output of errors.
    Stderr,
    /// The last one: one byte, the exit status, 128 and the signal's number where a signal ended it.
    Exit,
    /// Nothing: it shows that the other end is still there.
    Alive,
    /// The client's terminal has another size: lines and characters in two bytes each.
    Resize,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Its content, at most [`MAX_FRAME_BYTES`].
    pub content: Vec<u8>,
}

/// Bytes that are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// There is no such kind.
    Kind(u8),
    /// Its content is longer than allowed.
    Length(usize),
}

/// Puts frames together from bytes as they come.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    bytes: Vec<u8>,
}

impl FrameKind {
    fn number(self) -> u8 {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Exit => 3,
            Self::Alive => 4,
            Self::Resize => 5,
        }
    }

    fn of(number: u8) -> Result<Self, BadFrame> {
        Ok(match number {
            0 => Self::Stdin,
            1 => Self::Stdout,
            2 => Self::Stderr,
            3 => Self::Exit,
            4 => Self::Alive,
            5 => Self::Resize,
            other => return Err(BadFrame::Kind(other)),
        })
    }
}

impl Frame {
    /// Its bytes. `content` beyond [`MAX_FRAME_BYTES`] is for the caller to split.
    pub fn encode(kind: FrameKind, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEAD + content.len());
        bytes.push(kind.number());
        bytes.extend(length.to_be_bytes());
        bytes.extend(content);
        bytes
    }
}

impl FrameDecoder {
    /// Takes bytes that came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// What came is no frame; nothing that comes later can be understood.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, BadFrame> {
        let Some((&[kind, a, b, c, d], _)) = self.bytes.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let kind = FrameKind::of(kind)?;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(BadFrame::Length(length));
        }
        if self.bytes.len() < HEAD + length {
            return Ok(None);
        }
        let content = self.bytes[HEAD..HEAD + length].to_vec();
        self.bytes.drain(..HEAD + length);
        Ok(Some(Frame { kind, content }))
    }
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "there is no frame of kind {kind}"),
            Self::Length(length) => write!(
                f,
                "a frame of {length} bytes is longer than {MAX_FRAME_BYTES}"
            ),
        }
    }
}

impl std::error::Error for BadFrame {}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [FrameKind; 6] = [
        FrameKind::Stdin,
        FrameKind::Stdout,
        FrameKind::Stderr,
        FrameKind::Exit,
        FrameKind::Alive,
        FrameKind::Resize,
    ];

    #[test]
    fn frames_come_whole_however_their_bytes_are_split() {
        let contents: [&[u8]; 6] = [b"", b"a", b"hello", &[7], &[0; 300], &[0, 24, 0, 80]];
        let frames: Vec<Frame> = KINDS
            .into_iter()
            .zip(contents)
            .map(|(kind, content)| Frame {
                kind,
                content: content.to_vec(),
            })
            .collect();
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|frame| Frame::encode(frame.kind, &frame.content))
            .collect();
        for step in [1, 2, 5, 64, bytes.len()] {
            let mut decoder = FrameDecoder::default();
            let mut found = Vec::new();
            for part in bytes.chunks(step) {
                decoder.push(part);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames, "{step} bytes at a time");
        }
    }

    #[test]
    fn a_size_comes_back_and_what_is_none_is_none() {
        let size = WindowSize {
            rows: 24,
            columns: 300,
        };
        assert_eq!(size.encode(), [0, 24, 1, 44]);
        assert_eq!(WindowSize::decode(&size.encode()), Some(size));
        assert_eq!(WindowSize::decode(&[0, 24, 1]), None);
    }

    #[test]
    fn a_frame_is_its_kind_its_length_and_its_content() {
        let bytes = Frame::encode(FrameKind::Stderr, b"no");
        assert_eq!(bytes, [2, 0, 0, 0, 2, b'n', b'o']);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        let mut decoder = FrameDecoder::default();
        decoder.push(&[9, 0, 0, 0, 0]);
        assert_eq!(decoder.next_frame(), Err(BadFrame::Kind(9)));
        let mut decoder = FrameDecoder::default();
        decoder.push(&[1, 0, 1, 0, 1]);
        assert_eq!(decoder.next_frame(), Err(BadFrame::Length(65_537)));
    }
}
