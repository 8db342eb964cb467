//! Why a file cannot be imported at all.

/// Why a file cannot be imported at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Its name says neither Compose nor Quadlet.
    #[error(
        "cannot import {file}: its name ends neither in .yaml or .yml (Compose) nor in .container, .network or .volume (Quadlet)"
    )]
    UnknownKind {
        /// The file.
        file: String,
    },
    /// A Compose file beside another file.
    #[error(
        "cannot import {file} together with {other}: a Compose file is imported alone; merge them first, as `docker compose config` does"
    )]
    ComposeBeside {
        /// The Compose file.
        file: String,
        /// The one beside it.
        other: String,
    },
    /// It is not YAML.
    #[error("cannot read {file} as YAML: line {line}, column {column}: {why}")]
    Yaml {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// It is not a unit file.
    #[error("cannot read {file} as a unit: line {line}: {why}")]
    Unit {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// It has no containers.
    #[error("cannot import {file}: it has no {wanted}")]
    NoContainers {
        /// The file.
        file: String,
        /// What it should have.
        wanted: &'static str,
    },
    /// A variable that the file insists on is not set.
    #[error("cannot fill in ${{{variable}}} on line {line} of {file}: {why}")]
    Variable {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The variable.
        variable: String,
        /// What the file says of it, or what is wrong with the reference.
        why: String,
    },
    /// What came of it is refused by the node's own parser, and nothing can be taken out to mend that.
    #[error("cannot make a TOML of it that a node takes:\n{problems}")]
    Refused {
        /// The parser's words.
        problems: String,
    },
}
