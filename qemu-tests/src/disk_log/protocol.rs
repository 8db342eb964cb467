//! The part of the NBD protocol that QEMU speaks: the fixed newstyle handshake with one export, and
//! simple replies (proto.md of the NBD project).

use std::io::{self, Read, Write};

/// What a server says first.
const GREETING: &[u8; 8] = b"NBDMAGIC";
/// Begins the options of the handshake.
const OPTION_MAGIC: &[u8; 8] = b"IHAVEOPT";
/// Begins a reply to an option.
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
/// Begins a request.
const REQUEST_MAGIC: u32 = 0x2560_9513;
/// Begins a simple reply.
const REPLY_MAGIC: u32 = 0x6744_6698;
/// NBD_FLAG_FIXED_NEWSTYLE and NBD_FLAG_NO_ZEROES.
const HANDSHAKE_FLAGS: u16 = 0b11;
/// NBD_FLAG_HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES.
const EXPORT_FLAGS: u16 = 0b0110_1101;
/// NBD_OPT_EXPORT_NAME: the last option of an old client.
const OPT_EXPORT_NAME: u32 = 1;
/// NBD_OPT_ABORT.
const OPT_ABORT: u32 = 2;
/// NBD_OPT_GO.
const OPT_GO: u32 = 7;
/// NBD_REP_ACK.
const REP_ACK: u32 = 1;
/// NBD_REP_INFO.
const REP_INFO: u32 = 3;
/// NBD_REP_ERR_UNSUP.
const REP_UNSUPPORTED: u32 = (1 << 31) | 1;
/// NBD_INFO_EXPORT.
const INFO_EXPORT: u16 = 0;
/// The longest option that is read: names have at most 4096 bytes.
const MAX_OPTION_BYTES: u32 = 16 << 10;
/// The longest request, NBD's default limit.
const MAX_REQUEST_BYTES: u32 = 32 << 20;
/// NBD_CMD_FLAG_FUA.
const FLAG_FUA: u16 = 1;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Read,
    Write(Vec<u8>),
    Disconnect,
    Flush,
    Trim,
    WriteZeroes,
}

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) durable: bool,
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// Shakes hands. False where the client goes away without wanting the disk.
pub(super) fn handshake(stream: &mut (impl Read + Write), disk_bytes: u64) -> io::Result<bool> {
    stream.write_all(GREETING)?;
    stream.write_all(OPTION_MAGIC)?;
    stream.write_all(&HANDSHAKE_FLAGS.to_be_bytes())?;
    let flags = u32::from_be_bytes(array(stream)?);
    loop {
        if &array::<8>(stream)? != OPTION_MAGIC {
            return Err(strange("an option without its magic number"));
        }
        let option = u32::from_be_bytes(array(stream)?);
        let length = u32::from_be_bytes(array(stream)?);
        if length > MAX_OPTION_BYTES {
            return Err(strange("an option that is too long"));
        }
        // Any name is good: there is one export.
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data)?;
        match option {
            OPT_GO => {
                let mut info = INFO_EXPORT.to_be_bytes().to_vec();
                info.extend(disk_bytes.to_be_bytes());
                info.extend(EXPORT_FLAGS.to_be_bytes());
                reply_option(stream, option, REP_INFO, &info)?;
                reply_option(stream, option, REP_ACK, &[])?;
                return Ok(true);
            }
            OPT_EXPORT_NAME => {
                stream.write_all(&disk_bytes.to_be_bytes())?;
                stream.write_all(&EXPORT_FLAGS.to_be_bytes())?;
                if flags & 0b10 == 0 {
                    stream.write_all(&[0; 124])?;
                }
                return Ok(true);
            }
            OPT_ABORT => {
                reply_option(stream, option, REP_ACK, &[])?;
                return Ok(false);
            }
            _ => reply_option(stream, option, REP_UNSUPPORTED, &[])?,
        }
    }
}

fn reply_option(stream: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    stream.write_all(&OPTION_REPLY_MAGIC.to_be_bytes())?;
    stream.write_all(&option.to_be_bytes())?;
    stream.write_all(&kind.to_be_bytes())?;
    let length = u32::try_from(data.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(data)
}

/// Reads a request; none where the client has gone.
pub(super) fn read_request(stream: &mut impl Read) -> io::Result<Option<Request>> {
    let magic = match array(stream) {
        Ok(magic) => u32::from_be_bytes(magic),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if magic != REQUEST_MAGIC {
        return Err(strange("a request without its magic number"));
    }
    let flags = u16::from_be_bytes(array(stream)?);
    let kind = u16::from_be_bytes(array(stream)?);
    let cookie = u64::from_be_bytes(array(stream)?);
    let offset = u64::from_be_bytes(array(stream)?);
    let length = u32::from_be_bytes(array(stream)?);
    let command = match kind {
        0 | 1 if length > MAX_REQUEST_BYTES => return Err(strange("a request that is too long")),
        0 => Command::Read,
        1 => {
            let mut data = vec![0; length as usize];
            stream.read_exact(&mut data)?;
            Command::Write(data)
        }
        2 => Command::Disconnect,
        3 => Command::Flush,
        4 => Command::Trim,
        6 => Command::WriteZeroes,
        _ => return Err(strange("a request of a kind that was not offered")),
    };
    Ok(Some(Request {
        command,
        durable: flags & FLAG_FUA != 0,
        cookie,
        offset,
        length,
    }))
}

/// Adds a simple reply without error, and the data that was read.
pub(super) fn add_reply(replies: &mut Vec<u8>, cookie: u64, data: &[u8]) {
    replies.extend(REPLY_MAGIC.to_be_bytes());
    replies.extend(0_u32.to_be_bytes());
    replies.extend(cookie.to_be_bytes());
    replies.extend(data);
}

fn array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn strange(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the client sent {what}"),
    )
}
