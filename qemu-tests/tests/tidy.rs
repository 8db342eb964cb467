//! House style, kept by a test and not by memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a file, without its tests; a file is one noun.
const MAX_FILE_LINES: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "misc", "common"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tracked(pattern: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            pattern,
        ])
        .current_dir(root())
        .output()
        .expect("git lists the tree");
    let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let files: Vec<_> = text
        .lines()
        .map(|line| root().join(line))
        .filter(|p| p.exists())
        .collect();
    assert!(!files.is_empty(), "git lists no {pattern}");
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a tracked file can be read as text")
}

/// The lines of a source file before its unit tests.
fn production(text: &str) -> Vec<&str> {
    text.lines()
        .take_while(|line| !line.trim_start().starts_with("#[cfg(test)]"))
        .collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
}

fn offenders(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    offenders(
        tracked("*.rs")
            .into_iter()
            .filter(|path| !read(path).starts_with("//!"))
            .map(|path| format!("{}: does not open with a //! line", path.display()))
            .collect(),
    );
}

#[test]
fn a_file_is_one_noun_of_at_most_500_lines() {
    offenders(
        tracked("*.rs")
            .into_iter()
            .filter_map(|path| {
                let lines = production(&read(&path)).len();
                (lines > MAX_FILE_LINES && !is_test(&path))
                    .then(|| format!("{}: {lines} lines without tests", path.display()))
            })
            .collect(),
    );
}

#[test]
fn no_file_is_named_after_nothing() {
    offenders(
        tracked("*.rs")
            .into_iter()
            .filter(|path| {
                let stem = path
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .unwrap_or_default();
                EMPTY_NAMES.contains(&stem) && !is_test(path)
            })
            .map(|path| format!("{}: say what is inside", path.display()))
            .collect(),
    );
}

#[test]
fn no_test_is_switched_off() {
    let marker = concat!("#[", "ignore");
    offenders(
        tracked("*.rs")
            .into_iter()
            .filter(|path| read(path).contains(marker))
            .map(|path| format!("{}: a test is ignored", path.display()))
            .collect(),
    );
}

/// Links of the form `[text](relative/path)` lead to something that is there.
#[test]
fn documents_point_at_files_that_exist() {
    let mut found = Vec::new();
    for path in tracked("*.md") {
        let text = read(&path);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            let base = path.parent().expect("a file has a folder");
            if !base.join(file).exists() {
                found.push(format!("{}: {target} is not there", path.display()));
            }
        }
    }
    offenders(found);
}
