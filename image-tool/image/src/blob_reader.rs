//! Reading a layer blob: digest of the blob and of the tar in it, decompression, cancellation.

use crate::cancel_flag::CancelFlag;
use crate::layer_error::LayerError;
use crate::limits::{
    FREE_EXPANSION_BYTES, MAX_EXPANSION, MAX_ZSTD_WINDOW_LOG, STREAM_BUFFER_BYTES,
};
use crate::read_ahead::{Writer, read_ahead};
use orlop_config::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, BufReader, Read};

/// What a blob turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) blob: Digest,
    /// None if the tar in the blob was not read to its end.
    pub(crate) diff_id: Option<Digest>,
}

/// What a blob of so many bytes may unpack to.
pub(crate) fn unpacked_limit(packed_bytes: u64) -> u64 {
    packed_bytes
        .saturating_mul(MAX_EXPANSION)
        .max(FREE_EXPANSION_BYTES)
}

/// Lets `consume` read the tar in `blob`, of which at most `limit` bytes may come, then reads what it left, so that the digests are of the
/// whole. They come back whether or not `consume` failed: a damaged blob is better called that than
/// by what the damage did. Another thread hashes and decompresses, ahead of `consume`.
pub(crate) fn read_blob<T, E: From<LayerError>>(
    blob: impl Read + Send,
    limit: u64,
    cancel: &CancelFlag,
    on_bytes: &(dyn Fn(u64) + Sync),
    consume: impl FnOnce(&mut dyn Read) -> Result<T, E>,
) -> (Result<T, E>, io::Result<Digests>) {
    let work = read_ahead(
        |tar| digests_of(blob, limit, cancel, on_bytes, tar),
        |tar| {
            let value = consume(tar)?;
            io::copy(tar, &mut io::sink()).map_err(LayerError::Read)?;
            Ok(value)
        },
    );
    match work {
        Ok((digests, result)) => (result, digests),
        Err(error) => {
            let why = format!("cannot make a thread: {error}");
            (
                Err(LayerError::Read(error).into()),
                Err(io::Error::other(why)),
            )
        }
    }
}

/// Writes the tar in `blob` to `ahead`, as far as that is read, and hashes both.
fn digests_of(
    blob: impl Read,
    limit: u64,
    cancel: &CancelFlag,
    on_bytes: &dyn Fn(u64),
    ahead: Writer,
) -> io::Result<Digests> {
    let mut blob = Hashing {
        inner: blob,
        hash: Sha256::new(),
        left: u64::MAX,
        cancel,
        on_bytes,
    };
    let mut diff_id = None;
    match decompress(&mut blob) {
        Err(error) => ahead.fail(error),
        Ok(tar) => {
            let mut tar = Hashing {
                inner: tar,
                hash: Sha256::new(),
                left: limit,
                cancel,
                on_bytes: &|_| {},
            };
            if ahead.write_all(&mut tar) {
                diff_id = Some(tar.digest());
            }
        }
    }
    io::copy(&mut blob, &mut io::sink())?;
    Ok(Digests {
        blob: blob.digest(),
        diff_id,
    })
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

/// Hashes and counts what is read through it, and fails once it is too much or cancelled.
struct Hashing<'a, R> {
    inner: R,
    hash: Sha256,
    /// Bytes that may still come.
    left: u64,
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
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::other(format!(
                "it unpacks to over {MAX_EXPANSION} times its size, and over {} GiB",
                FREE_EXPANSION_BYTES >> 30
            ))
        })?;
        self.hash.update(&buf[..n]);
        (self.on_bytes)(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blob: &[u8], limit: u64) -> (Result<u64, LayerError>, Digests) {
        let (result, digests) = read_blob(blob, limit, &CancelFlag::default(), &|_| {}, |tar| {
            io::copy(&mut tar.take(10), &mut io::sink()).map_err(LayerError::Read)
        });
        (result, digests.unwrap())
    }

    fn packings(data: &[u8]) -> [Vec<u8>; 2] {
        let mut gzip = Vec::new();
        flate2::read::GzEncoder::new(data, flate2::Compression::best())
            .read_to_end(&mut gzip)
            .unwrap();
        [gzip, zstd::encode_all(data, 19).unwrap()]
    }

    #[test]
    fn what_unpacks_to_more_than_its_limit_is_refused_also_behind_the_tars_end() {
        let zeros = vec![0; 1 << 20];
        for blob in packings(&zeros) {
            assert!(read(&blob, 1 << 20).0.is_ok());
            let (result, digests) = read(&blob, (1 << 20) - 1);
            let LayerError::Read(error) = result.unwrap_err() else {
                unreachable!("the reader refuses it");
            };
            assert_eq!(
                error.to_string(),
                "it unpacks to over 100 times its size, and over 4 GiB"
            );
            assert_eq!(digests.blob, Digest::of(&blob), "the whole blob is hashed");
            assert_eq!(digests.diff_id, None);
        }
    }

    #[test]
    fn a_blob_that_is_cut_off_has_its_digest_and_no_diff_id() {
        let noise: Vec<u8> = (0..100_000_u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        for blob in packings(&noise) {
            let (result, digests) = read(&blob[..blob.len() - 20], u64::MAX);
            assert!(result.is_err());
            assert_eq!(digests.blob, Digest::of(&blob[..blob.len() - 20]));
            assert_eq!(digests.diff_id, None);
        }
    }

    #[test]
    fn a_limit_grows_with_the_blob() {
        assert_eq!(unpacked_limit(0), 4 << 30);
        assert_eq!(unpacked_limit(1 << 30), 100 << 30);
        assert_eq!(unpacked_limit(u64::MAX), u64::MAX);
    }
}
