//! The last words of kernels that crashed, as the kernel's pstore keeps them.
//!
//! A dump is cut into parts, the newest text first, each a file whose first line is a header such as
//! `Panic#2 Part1` (`pstore_dump()` in the kernel's `fs/pstore/platform.c`). Backends with small
//! records, like EFI variables, need some ten parts for one dump.

use crate::Trigger;

/// What the initrd writes to the kernel's log before it gives up, up to the reason.
const INITRD_PREFIX: &str = "orlop-initrd: cannot boot: ";
/// What the kernel writes when it gives up, up to the reason.
const PANIC_PREFIX: &str = "Kernel panic - not syncing: ";
/// Of the kept lines of a panic, at most so many come before it; the trace follows.
const LINES_BEFORE: usize = 8;
/// The longest line that is kept, in characters.
const MAX_LINE_CHARS: usize = 300;

/// A file in `/sys/fs/pstore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PstoreFile {
    /// Its name: `dmesg-efi_pstore-176712345601001`.
    pub name: String,
    /// Its modification time, in seconds since 1970: when the kernel wrote it.
    pub at: u64,
    /// Its text.
    pub text: String,
}

/// The log of a kernel at the moment at which it crashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashLog {
    /// The name of its first part's file and when it was written.
    pub id: String,
    /// The names of its parts' files.
    pub files: Vec<String>,
    /// Oldest first.
    pub lines: Vec<String>,
}

/// The header of a part.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Header<'a> {
    reason: &'a str,
    count: u32,
    part: u32,
}

impl<'a> Header<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (dump, part) = line.split_once(" Part")?;
        let (reason, count) = dump.split_once('#')?;
        Some(Self {
            reason,
            count: count.parse().ok()?,
            part: part.trim().parse().ok()?,
        })
    }
}

/// Puts the parts of each dump together; oldest dump first. Of one crash there may be two dumps, of
/// the oops and of the panic that it led to. Files that are no such parts are passed over.
pub fn crash_logs(files: &[PstoreFile]) -> Vec<CrashLog> {
    let mut parts: Vec<_> = files
        .iter()
        .filter(|file| file.name.starts_with("dmesg-"))
        .filter_map(|file| {
            let (first, rest) = file.text.split_once('\n')?;
            Some((Header::read(first)?, rest, file))
        })
        .collect();
    parts.sort_by_key(|(header, _, file)| (file.at, header.count, header.part));
    let mut dumps: Vec<(Header<'_>, Vec<&str>, CrashLog)> = Vec::new();
    for (header, text, file) in parts {
        match dumps.last_mut() {
            Some((last, texts, log))
                if (last.reason, last.count) == (header.reason, header.count)
                    && last.part < header.part =>
            {
                last.part = header.part;
                texts.push(text);
                log.files.push(file.name.clone());
            }
            Some(_) | None => {
                let log = CrashLog {
                    id: format!("{} {}", file.name, file.at),
                    files: vec![file.name.clone()],
                    lines: Vec::new(),
                };
                dumps.push((header, vec![text], log));
            }
        }
    }
    dumps
        .into_iter()
        .map(|(_, texts, log)| CrashLog {
            lines: lines(&texts.into_iter().rev().collect::<String>()),
            ..log
        })
        .collect()
}

/// The lines of a kernel log without level and time, which the parts cut anywhere.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let line = line
                .strip_prefix('<')
                .and_then(|rest| rest.split_once('>'))
                .map_or(line, |(_, rest)| rest);
            let line = line
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("] "))
                .map_or(line, |(_, rest)| rest);
            line.trim_end().chars().take(MAX_LINE_CHARS).collect()
        })
        .filter(|line: &String| !line.is_empty())
        .collect()
}

impl CrashLog {
    /// What it says of the end.
    pub fn trigger(&self) -> Trigger {
        if let Some(reason) = self.after(INITRD_PREFIX) {
            let detail = reason
                .rsplit_once("; ")
                .map_or(reason, |(reason, _)| reason);
            return Trigger::Initrd {
                detail: detail.to_owned(),
            };
        }
        let last = || self.lines.last().map(String::as_str);
        Trigger::Panic {
            text: self
                .after(PANIC_PREFIX)
                .or_else(last)
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// At most `most` lines around the moment of the panic, else the newest ones.
    pub fn last_lines(&self, most: usize) -> Vec<String> {
        let newest = self.lines.len().saturating_sub(most);
        let panic = self
            .lines
            .iter()
            .rposition(|line| line.contains(PANIC_PREFIX));
        let start = panic.map_or(newest, |at| at.saturating_sub(LINES_BEFORE.min(most)));
        self.lines.iter().skip(start).take(most).cloned().collect()
    }

    /// What follows `prefix` in the newest line that has it.
    fn after(&self, prefix: &str) -> Option<&str> {
        self.lines
            .iter()
            .rev()
            .find_map(|line| line.split_once(prefix))
            .map(|(_, rest)| rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, at: u64, text: &str) -> PstoreFile {
        PstoreFile {
            name: format!("dmesg-efi_pstore-{name}"),
            at,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_parts_of_a_dump_are_put_together_newest_first() {
        // The parts of two boots, each written over a second's change, in the order of a directory.
        let files = [
            file(
                "3",
                101,
                "Panic#1 Part2\n<6>[    1.0] first\n<6>[    1.1] sec",
            ),
            file(
                "9",
                200,
                "Panic#1 Part1\n<0>[    9.9] Kernel panic - not syncing: NMI: Not continuing\n",
            ),
            file(
                "1",
                100,
                "Panic#1 Part1\nond\n<0>[    2.0] Kernel panic - not syncing: Attempted to kill init!\n<4>[ 2.1] CPU: 0\n",
            ),
            PstoreFile {
                name: "console-ramoops-0".to_owned(),
                at: 1,
                text: "Panic#1 Part1\nx".to_owned(),
            },
            file("5", 300, "no header"),
        ];
        let logs = crash_logs(&files);
        assert_eq!(logs.len(), 2);
        assert_eq!(
            logs[0].lines,
            [
                "first",
                "second",
                "Kernel panic - not syncing: Attempted to kill init!",
                "CPU: 0"
            ]
        );
        let text = "Attempted to kill init!".to_owned();
        assert_eq!(logs[0].trigger(), Trigger::Panic { text });
        let text = "NMI: Not continuing".to_owned();
        assert_eq!(logs[1].trigger(), Trigger::Panic { text });
        assert_eq!(logs[1].id, "dmesg-efi_pstore-9 200");
        assert_eq!(logs[0].files, ["dmesg-efi_pstore-1", "dmesg-efi_pstore-3"]);
    }

    #[test]
    fn an_oops_and_its_panic_in_the_same_second_are_two_dumps() {
        let files = [
            file("1", 7, "Oops#1 Part1\nBUG: kernel NULL pointer\n"),
            file("2", 7, "Oops#1 Part2\nearlier\n"),
            file(
                "3",
                7,
                "Panic#2 Part1\nKernel panic - not syncing: Fatal exception\n",
            ),
            file("4", 7, "Panic#2 Part2\nBUG: kernel NULL pointer\n"),
        ];
        let logs = crash_logs(&files);
        let lines: Vec<_> = logs.iter().map(|log| log.lines.len()).collect();
        assert_eq!(lines, [2, 2]);
        let text = "Fatal exception".to_owned();
        assert_eq!(logs[1].trigger(), Trigger::Panic { text });
    }

    #[test]
    fn an_initrd_that_gave_up_is_told_from_a_panic_by_its_own_words() {
        let text = "Panic#1 Part1\n<3>[ 31.0] orlop-initrd: cannot boot: cannot find the state partition: \
                    no ext4; came up; rebooting in 5 s\n<0>[ 36.0] Kernel panic - not syncing: sysrq triggered crash\n";
        let logs = crash_logs(&[file("1", 7, text)]);
        let detail = "cannot find the state partition: no ext4; came up".to_owned();
        assert_eq!(logs[0].trigger(), Trigger::Initrd { detail });
    }

    #[test]
    fn the_kept_lines_are_those_around_the_panic() {
        let mut lines: Vec<_> = (0..50).map(|n| format!("line {n}")).collect();
        lines[30] = "Kernel panic - not syncing: x".to_owned();
        let log = CrashLog {
            id: String::new(),
            files: vec![],
            lines,
        };
        let kept = log.last_lines(20);
        assert_eq!(
            (kept.len(), &*kept[0], &*kept[8]),
            (20, "line 22", "Kernel panic - not syncing: x")
        );
        let log = CrashLog {
            id: String::new(),
            files: vec![],
            lines: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(log.last_lines(1), ["b"]);
    }
}
