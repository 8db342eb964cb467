//! A tar, read once from front to back with bounded memory.
//!
//! The `tar` crate decodes headers; the walk is ours, because its own reads extension headers of any
//! size into memory, splits PAX values at newlines, and does not know PAX sparse files.

use crate::layer_error::LayerError;
use crate::limits::{MAX_EXTENSION_BYTES, MAX_FILE_BYTES, MAX_SPARSE_PIECES};
use crate::tar_header::{EntryKind, Overrides, SparseMap, TarEntry, add_gnu_pieces, check_sparse};
use std::io::{self, Read};

const BLOCK: usize = 512;

/// Reads entries of a tar. After [`TarReader::next`] the entry's data is read from it, as [`Read`];
/// what is not read is skipped.
pub(crate) struct TarReader<R> {
    input: R,
    offset: u64,
    global: Overrides,
    /// Bytes of the current entry's data that are still in the input, without padding.
    stored: u64,
    padding: u64,
    holes: Option<Holes>,
    fault: Option<io::Error>,
}

/// Where reading is in a sparse file.
struct Holes {
    map: std::vec::IntoIter<(u64, u64)>,
    piece: Option<(u64, u64)>,
    position: u64,
    size: u64,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            offset: 0,
            global: Overrides::default(),
            stored: 0,
            padding: 0,
            holes: None,
            fault: None,
        }
    }

    /// The error that a read of data ended with, where somebody else swallowed it.
    pub(crate) fn take_fault(&mut self) -> Option<LayerError> {
        self.fault.take().map(LayerError::Read)
    }

    /// The next entry; none at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<TarEntry>, LayerError> {
        self.skip(self.stored)?;
        // umoci's `insert` ends its layers with the last byte of the last file.
        self.skip_to_end(self.padding)?;
        (self.stored, self.padding, self.holes) = (0, 0, None);
        let mut local = self.global.clone();
        loop {
            let Some(block) = self.header_block()? else {
                return Ok(None);
            };
            let header = tar::Header::from_byte_slice(&block);
            self.check_sum(header)?;
            let size = header.entry_size().map_err(|e| self.bad(e))?;
            match header.entry_type() {
                tar::EntryType::XHeader => {
                    let data = self.extension(size)?;
                    local.add_pax(&data).map_err(|why| self.bad(why))?;
                }
                tar::EntryType::XGlobalHeader => {
                    let data = self.extension(size)?;
                    self.global.add_pax(&data).map_err(|why| self.bad(why))?;
                    local.add_pax(&data).map_err(|why| self.bad(why))?;
                }
                tar::EntryType::GNULongName => local.path = Some(self.long_name(size)?),
                tar::EntryType::GNULongLink => local.link = Some(self.long_name(size)?),
                _ => return self.begin(header, local, size).map(Some),
            }
        }
    }

    /// Makes `header` the current entry.
    fn begin(
        &mut self,
        header: &tar::Header,
        overrides: Overrides,
        header_size: u64,
    ) -> Result<TarEntry, LayerError> {
        let stored = overrides.size.unwrap_or(header_size);
        let sparse = overrides.sparse.clone();
        let mut entry = overrides.entry(header).map_err(|why| self.bad(why))?;
        if entry.kind != EntryKind::File {
            // Only files have data; what others say of it is ignored, as everywhere.
            return Ok(entry);
        }
        entry.size = stored;
        if stored > MAX_FILE_BYTES {
            return Err(too_big(&entry));
        }
        (self.stored, self.padding) = (stored, padding(stored));
        let map = if header.entry_type().is_gnu_sparse() {
            entry.size = header.size().map_err(|e| self.bad(e))?;
            Some(self.gnu_map(header)?)
        } else if sparse.major == Some(1) || sparse.map.is_some() {
            entry.size = sparse
                .real_size
                .ok_or_else(|| self.bad("a sparse file without size"))?;
            match sparse.map {
                Some(map) => Some(map),
                None => Some(self.pax_map()?),
            }
        } else {
            None
        };
        if entry.size > MAX_FILE_BYTES {
            return Err(too_big(&entry));
        }
        if let Some(map) = map {
            check_sparse(&map, entry.size, self.stored).map_err(|why| self.bad(why))?;
            let mut map = map.into_iter();
            let piece = map.next();
            self.holes = Some(Holes {
                map,
                piece,
                position: 0,
                size: entry.size,
            });
        }
        Ok(entry)
    }

    /// The map of a GNU sparse file: in the header, and in blocks after it.
    fn gnu_map(&mut self, header: &tar::Header) -> Result<SparseMap, LayerError> {
        let gnu = header
            .as_gnu()
            .ok_or_else(|| self.bad("a sparse file without GNU header"))?;
        let mut map = SparseMap::new();
        add_gnu_pieces(&mut map, &gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extended = tar::GnuExtSparseHeader::new();
            self.read_exact(extended.as_mut_bytes())?;
            add_gnu_pieces(&mut map, extended.sparse())?;
            if map.len() > MAX_SPARSE_PIECES {
                return Err(self.bad("a sparse file has too many pieces"));
            }
            more = extended.is_extended();
        }
        Ok(map)
    }

    /// The map of a PAX 1.0 sparse file: decimal lines before the data, in whole blocks.
    fn pax_map(&mut self) -> Result<SparseMap, LayerError> {
        let mut numbers = Vec::new();
        let mut number: Option<u64> = None;
        let mut wanted = 1;
        while numbers.len() < wanted {
            let mut block = [0; BLOCK];
            if self.stored < BLOCK as u64 {
                return Err(self.bad("a sparse map is cut off"));
            }
            self.read_exact(&mut block)?;
            self.stored -= BLOCK as u64;
            for byte in block {
                match byte {
                    _ if numbers.len() == wanted => break,
                    b'0'..=b'9' => {
                        let digit = u64::from(byte - b'0');
                        let tens = number.unwrap_or(0).checked_mul(10);
                        number = tens.and_then(|n| n.checked_add(digit));
                        if number.is_none() {
                            return Err(self.bad("a sparse map has a number over 64 bits"));
                        }
                    }
                    b'\n' => {
                        let value = number
                            .take()
                            .ok_or_else(|| self.bad("a sparse map has a hole"))?;
                        numbers.push(value);
                        if numbers.len() == 1 {
                            wanted = usize::try_from(value)
                                .ok()
                                .filter(|n| *n <= MAX_SPARSE_PIECES)
                                .map(|n| 2 * n + 1)
                                .ok_or_else(|| self.bad("a sparse file has too many pieces"))?;
                        }
                    }
                    _ => return Err(self.bad("a sparse map is no text")),
                }
            }
        }
        Ok(numbers[1..]
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect())
    }

    /// The next block that is a header; none at two zero blocks or at the end of the input.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let mut block = [0; BLOCK];
        for _ in 0..2 {
            if !self.read_block(&mut block)? {
                return Ok(None);
            }
            if block.iter().any(|byte| *byte != 0) {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// False at the end of the input.
    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, LayerError> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(self.bad("it ends in the middle of a block")),
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(LayerError::Read(e)),
            }
        }
        self.offset += BLOCK as u64;
        Ok(true)
    }

    fn read_exact(&mut self, data: &mut [u8]) -> Result<(), LayerError> {
        self.input.read_exact(data).map_err(|e| self.cut(e))?;
        self.offset += data.len() as u64;
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), LayerError> {
        if self.skip_to_end(bytes)? < bytes {
            return Err(self.bad("it ends in the middle of a file"));
        }
        Ok(())
    }

    /// Skips so many bytes, or as many as there are; how many.
    fn skip_to_end(&mut self, bytes: u64) -> Result<u64, LayerError> {
        let skipped = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())
            .map_err(LayerError::Read)?;
        self.offset += skipped;
        Ok(skipped)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        if size > MAX_EXTENSION_BYTES {
            return Err(LayerError::Limit {
                what: "an extension header",
                limit: MAX_EXTENSION_BYTES,
                path: format!("byte {}", self.offset),
            });
        }
        let mut data = vec![0; size as usize];
        self.read_exact(&mut data)?;
        self.skip(padding(size))?;
        Ok(data)
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        let mut name = self.extension(size)?;
        if let Some(end) = name.iter().position(|byte| *byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    fn check_sum(&self, header: &tar::Header) -> Result<(), LayerError> {
        let bytes = header.as_bytes();
        // The sum counts its own field, bytes 148 to 155, as blanks.
        let own: u32 = bytes[148..156].iter().map(|byte| u32::from(*byte)).sum();
        let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() - own + 8 * 32;
        match header.cksum() {
            Ok(expected) if expected == sum => Ok(()),
            _ => Err(self.bad("a header has a wrong checksum")),
        }
    }

    fn cut(&self, error: io::Error) -> LayerError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.bad("it ends in the middle of a header")
        } else {
            LayerError::Read(error)
        }
    }

    fn bad(&self, why: impl ToString) -> LayerError {
        LayerError::Tar {
            offset: self.offset,
            why: why.to_string(),
        }
    }

    fn read_stored(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.stored)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        if limit == 0 {
            return Ok(0);
        }
        match self.input.read(&mut buf[..limit]) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the tar ends inside a file",
            )),
            Ok(n) => {
                self.stored -= n as u64;
                self.offset += n as u64;
                Ok(n)
            }
            Err(e) => Err(e),
        }
    }

    fn read_sparse(&mut self, mut holes: Holes, buf: &mut [u8]) -> io::Result<usize> {
        while holes
            .piece
            .is_some_and(|(offset, length)| holes.position >= offset + length)
        {
            holes.piece = holes.map.next();
        }
        let in_data = holes
            .piece
            .is_some_and(|(offset, _)| holes.position >= offset);
        let until = match holes.piece {
            Some((offset, length)) if in_data => offset + length,
            Some((offset, _)) => offset,
            None => holes.size,
        };
        let left = usize::try_from(until - holes.position).unwrap_or(usize::MAX);
        let limit = left.min(buf.len());
        let done = if in_data {
            self.read_stored(&mut buf[..limit])
        } else {
            buf[..limit].fill(0);
            Ok(limit)
        };
        if let Ok(n) = done {
            holes.position += n as u64;
        }
        self.holes = Some(holes);
        done
    }
}

/// Reads the current entry's data, holes as zeros.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let done = match self.holes.take() {
            Some(holes) => self.read_sparse(holes, buf),
            None => self.read_stored(buf),
        };
        done.map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let copy = match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
            self.fault = Some(error);
            copy
        })
    }
}

fn too_big(entry: &TarEntry) -> LayerError {
    let path = String::from_utf8_lossy(&entry.path).into_owned();
    LayerError::Limit {
        what: "a file's size",
        limit: MAX_FILE_BYTES,
        path,
    }
}

fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one file, of which the input has `length` bytes.
    fn cut_after(length: usize) -> Result<Option<TarEntry>, LayerError> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let appended = builder.append_data(&mut header, "a", &b"hello"[..]);
        appended.expect("a Vec takes every write");
        let archive = builder.into_inner().expect("a Vec takes every write");
        let mut reader = TarReader::new(&archive[..length]);
        assert!(reader.next().is_ok_and(|entry| entry.is_some()));
        reader.next()
    }

    #[test]
    fn an_archive_may_end_with_its_last_files_last_byte_and_no_sooner() {
        assert!(matches!(cut_after(BLOCK + 5), Ok(None)));
        assert!(matches!(cut_after(BLOCK + 7), Ok(None)));
        assert!(matches!(cut_after(2 * BLOCK), Ok(None)));
        assert!(matches!(cut_after(BLOCK + 4), Err(LayerError::Tar { .. })));
    }
}
