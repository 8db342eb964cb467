//! Reading a layer blob: digest of the blob and of the tar in it, decompression, cancellation.

use crate::cancel_flag::CancelFlag;
use crate::layer_error::LayerError;
use crate::limits::{MAX_ZSTD_WINDOW_LOG, STREAM_BUFFER_BYTES};
use orlop_config::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, BufReader, Read};

/// What a blob turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) blob: Digest,
    /// None if the blob could not be decompressed to its end.
    pub(crate) diff_id: Option<Digest>,
}

/// Lets `consume` read the tar in `blob`, then reads what it left, so that the digests are of the
/// whole. They come back whether or not `consume` failed: a damaged blob is better called that than
/// by what the damage did.
pub(crate) fn read_blob<T, E: From<LayerError>>(
    blob: impl Read,
    cancel: &CancelFlag,
    on_bytes: &dyn Fn(u64),
    consume: impl FnOnce(&mut dyn Read) -> Result<T, E>,
) -> (Result<T, E>, io::Result<Digests>) {
    let mut blob = Hashing {
        inner: blob,
        hash: Sha256::new(),
        cancel,
        on_bytes,
    };
    let quiet = |_| {};
    let (result, diff_id) = match decompress(&mut blob) {
        Err(error) => (Err(LayerError::Read(error).into()), None),
        Ok(tar) => {
            let mut tar = Hashing {
                inner: tar,
                hash: Sha256::new(),
                cancel,
                on_bytes: &quiet,
            };
            let result = consume(&mut BufReader::with_capacity(STREAM_BUFFER_BYTES, &mut tar));
            match (&result, io::copy(&mut tar, &mut io::sink())) {
                (Ok(_), Err(error)) => (Err(LayerError::Read(error).into()), None),
                (_, rest) => (result, rest.is_ok().then(|| tar.digest())),
            }
        }
    };
    let digests = io::copy(&mut blob, &mut io::sink()).map(|_| Digests {
        blob: blob.digest(),
        diff_id,
    });
    (result, digests)
}

/// The stream in a blob, told by its first bytes and not by the media type, which tools get wrong.
fn decompress<'a>(blob: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut blob = BufReader::with_capacity(STREAM_BUFFER_BYTES, blob);
    let start = blob.fill_buf()?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(blob)));
    }
    let is_zstd = start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    // A skippable frame, which some tools put first.
    let is_skippable =
        start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18];
    if is_zstd || is_skippable {
        let mut decoder = zstd::Decoder::with_buffer(blob)?;
        decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(blob))
}

/// Hashes and counts what is read through it, and fails once it is cancelled.
struct Hashing<'a, R> {
    inner: R,
    hash: Sha256,
    cancel: &'a CancelFlag,
    on_bytes: &'a dyn Fn(u64),
}

impl<R> Hashing<'_, R> {
    fn digest(&self) -> Digest {
        let hex = hex::encode(self.hash.clone().finalize());
        format!("sha256:{hex}")
            .parse()
            .expect("a SHA-256 is 64 lower-case hex digits")
    }
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_set() {
            return Err(io::Error::other("cancelled"));
        }
        let n = self.inner.read(buf)?;
        self.hash.update(&buf[..n]);
        (self.on_bytes)(n as u64);
        Ok(n)
    }
}
