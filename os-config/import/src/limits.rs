//! Every limit of what an imported file may hold.

/// The longest file that is read, in bytes: four times the longest TOML, and a hundred times the
/// longest Compose file that was found in the wild.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The deepest nesting of a YAML document. Compose needs 8.
pub const MAX_DEPTH: usize = 64;

/// The most values of a YAML document once its aliases are written out.
pub const MAX_VALUES: usize = 50_000;

/// The deepest nesting of `${A:-${B:-c}}`.
pub const MAX_NESTED_VARIABLES: usize = 16;

/// The longest text once its variables are filled in, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The most bytes of all texts of a file once their variables are filled in.
pub const MAX_FILLED_BYTES: usize = 4 * 1024 * 1024;

/// How often the TOML is read again after something was taken out of it. Each time takes out all that
/// the parser names, at most 100 problems.
pub(crate) const MAX_ROUNDS: usize = 64;
