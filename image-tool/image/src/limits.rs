//! Named limits of everything that comes from outside.

/// Entries of all layers of an image. Ten times what a big distribution image has. An entry takes up to
/// 900 bytes of memory while the image is made, so this bounds a pull to some 450 MiB.
pub(crate) const MAX_ENTRIES: u64 = 500_000;
/// Names, extended attributes and inline contents of all layers of an image: what is in memory.
pub(crate) const MAX_METADATA_BYTES: u64 = 128 << 20;
/// Bytes of one file; a sparse file counts with its holes.
pub(crate) const MAX_FILE_BYTES: u64 = 64 << 30;
/// Bytes of all files of all layers of an image.
pub(crate) const MAX_IMAGE_BYTES: u64 = 256 << 30;
/// What a layer may unpack to for each byte that it is packed in: ten times what text compresses to. A
/// layer may unpack to [`FREE_EXPANSION_BYTES`] in any case.
pub(crate) const MAX_EXPANSION: u64 = 100;
/// What any layer may unpack to, however small it is packed: files of zeros are small.
pub(crate) const FREE_EXPANSION_BYTES: u64 = 4 << 30;
/// Files from this size on are only begun where the disk has room for them.
pub(crate) const CHECKED_FILE_BYTES: u64 = 1 << 20;
/// Longest file name: `NAME_MAX` of Linux.
pub(crate) const MAX_NAME_BYTES: usize = 255;
/// Longest path and symbolic link: `PATH_MAX` of Linux, without its NUL.
pub(crate) const MAX_PATH_BYTES: usize = 4095;
/// Directories within directories.
pub(crate) const MAX_DEPTH: usize = 256;
/// Symbolic links followed on the way to one entry: as Linux's `MAXSYMLINKS`.
pub(crate) const MAX_SYMLINKS: usize = 40;
/// A PAX header or a GNU long name.
pub(crate) const MAX_EXTENSION_BYTES: u64 = 1 << 20;
/// Extended attributes of one file, names and values: `XATTR_SIZE_MAX` of Linux.
pub(crate) const MAX_XATTR_BYTES: usize = 64 << 10;
/// Pieces of data in a sparse file.
pub(crate) const MAX_SPARSE_PIECES: usize = 1 << 16;
/// A manifest, index or config. Registries hold manifests to 4 MiB.
pub(crate) const MAX_JSON_BYTES: u64 = 4 << 20;
/// Layers of an image. Docker stops at 127.
pub(crate) const MAX_LAYERS: usize = 512;
/// Base-two logarithm of the biggest zstd window that is accepted: 128 MiB.
pub(crate) const MAX_ZSTD_WINDOW_LOG: u32 = 27;
/// A UKI.
pub(crate) const MAX_UKI_BYTES: u64 = 512 << 20;
/// Buffers of streams.
pub(crate) const STREAM_BUFFER_BYTES: usize = 64 << 10;
