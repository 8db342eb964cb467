//! Containers' log lines, from the journal by way of journalctl(1).

use super::containers::LogStream;
use super::error::{RuntimeError, Step, StepError};
use super::instance::Instance;
use super::places::unit_name;
use futures_util::{StreamExt, TryStreamExt, stream};
use orlop_api::LogLine;
use orlop_config::Name;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStdout, Command};
use tokio_util::codec::{FramedRead, LinesCodec};

const JOURNALCTL: &str = "journalctl";
/// journald cuts a line of output at 48 KiB (journald.conf(5), `LineMax=`); one that is not text
/// comes as an array of numbers of up to four characters, and other fields take some space.
const LONGEST_ENTRY: usize = 512 * 1024;
/// The journal's own word that lines came too fast (sd-messages.h, `SD_MESSAGE_JOURNAL_DROPPED`).
const LINES_DROPPED: &str = "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e";
/// Reading the tail of the journal takes milliseconds, or seconds with a cold disk.
const TAIL_LIMIT: Duration = Duration::from_secs(10);
/// systemd's word that a unit's process was killed for want of memory (sd-messages.h,
/// `SD_MESSAGE_UNIT_OUT_OF_MEMORY`).
const OUT_OF_MEMORY: &str = "MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef";

/// journalctl's JSON, as far as it is of use (systemd.journal-fields(7)).
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: String,
    #[serde(rename = "MESSAGE", default)]
    message: Message,
    #[serde(rename = "N_DROPPED")]
    dropped: Option<String>,
}

/// A message: text, bytes where it is no UTF-8, or nothing where it is empty.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    #[default]
    Empty,
}

fn parse(line: &str) -> Result<LogLine, serde_json::Error> {
    let entry: Entry = serde_json::from_str(line)?;
    let text = match entry.message {
        Message::Text(text) => text,
        Message::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Message::Empty => String::new(),
    };
    let at_micros = entry.at.parse().map_err(serde::de::Error::custom)?;
    let dropped = entry.dropped.and_then(|count| count.parse::<u64>().ok());
    Ok(LogLine {
        at_micros,
        text: dropped.map_or(text, |count| {
            format!(
                "{count} lines are missing here: they came faster than `log_limit` lets through"
            )
        }),
        dropped,
    })
}

/// Which lines besides the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// However old they are.
    Past,
    /// None from before the machine started.
    ThisBoot,
    /// Also those that are still to come.
    Follow,
    /// Only those from this moment since 1970 on, and those that are still to come.
    From(Duration),
}

/// The newest `lines` lines of `name`. The child process ends when the stream is dropped.
pub(super) fn read(name: &Name, lines: u32, reach: Reach) -> Result<LogStream, RuntimeError> {
    let first = Instance::first(name);
    // It may have been in either: matches of one field are taken together (journalctl(1)).
    let units = [unit_name(&first), unit_name(&first.sibling())];
    let lines = match reach {
        Reach::From(_) => "all".to_owned(),
        Reach::Past | Reach::ThisBoot | Reach::Follow => lines.to_string(),
    };
    let mut command = Command::new(JOURNALCTL);
    command
        .args([
            "--output=json",
            "--all",
            "--quiet",
            "--no-pager",
            "--output-fields=MESSAGE,N_DROPPED",
        ])
        .arg(format!("--lines={lines}"))
        // Only what the container said, not what systemd said about its units.
        .args(units.iter().map(|unit| format!("_SYSTEMD_UNIT={unit}")))
        // And what the journal itself says that it left out of that.
        .args(["+", "_TRANSPORT=driver", LINES_DROPPED])
        .args(
            units
                .iter()
                .map(|unit| format!("OBJECT_SYSTEMD_UNIT={unit}")),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    match reach {
        Reach::Past => {}
        Reach::ThisBoot => {
            command.arg("--boot");
        }
        Reach::Follow => {
            command.arg("--follow");
        }
        Reach::From(since) => {
            let since = format!("--since=@{}.{:06}", since.as_secs(), since.subsec_micros());
            command.arg("--follow").arg(since);
        }
    }
    let fail = RuntimeError::of(name, Step::ReadLog);
    let run = |source| StepError::Run {
        program: PathBuf::from(JOURNALCTL),
        source,
    };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(source) => return Err(fail(run(source))),
    };
    match child.stdout.take() {
        Some(stdout) => Ok(lines_of(name.clone(), child, stdout)),
        None => Err(fail(run(std::io::Error::other("no pipe")))),
    }
}

fn lines_of(name: Name, child: Child, stdout: ChildStdout) -> LogStream {
    let frames = FramedRead::new(stdout, LinesCodec::new_with_max_length(LONGEST_ENTRY));
    let lines = frames.map(move |frame| {
        let journal = || PathBuf::from("the journal");
        let line = frame.map_err(|error| StepError::File {
            verb: "read",
            path: journal(),
            source: std::io::Error::other(error),
        });
        line.and_then(|line| {
            parse(&line).map_err(|source| StepError::Format {
                path: journal(),
                source,
            })
        })
        .map_err(RuntimeError::of(&name, Step::ReadLog))
    });
    // The child lives as long as the stream: dropping it kills and later reaps journalctl.
    stream::unfold((Box::pin(lines), child), |(mut lines, child)| async move {
        let line = lines.next().await?;
        Some((line, (lines, child)))
    })
    .boxed()
}

/// The newest `lines` lines of `name` since the machine started, oldest first.
pub(super) async fn tail(name: &Name, lines: u32) -> Result<Vec<String>, RuntimeError> {
    let texts = read(name, lines, Reach::ThisBoot)?
        .map_ok(|line| line.text)
        .try_collect();
    match tokio::time::timeout(TAIL_LIMIT, texts).await {
        Ok(lines) => lines,
        Err(_) => Err(RuntimeError::of(name, Step::ReadLog)(StepError::Timeout {
            what: JOURNALCTL.to_owned(),
            limit: TAIL_LIMIT,
        })),
    }
}

/// Whether systemd has told that a process of `instance` was killed for want of memory, since `since`
/// (seconds since 1970).
pub(super) async fn ran_out_of_memory(instance: &Instance, since: u64) -> Result<bool, StepError> {
    let (since, unit) = (format!("--since=@{since}"), unit_name(instance));
    let unit = format!("UNIT={unit}");
    let told = ["--lines=1", &since, OUT_OF_MEMORY, "_PID=1", &unit];
    // What systemd has said a moment ago is in the journal then.
    journalctl(&["--sync"]).await?;
    let plain = ["--output=cat", "--quiet", "--no-pager"];
    Ok(!journalctl(&[&plain[..], &told].concat()).await?.is_empty())
}

/// What journalctl prints; it is killed where that takes too long.
async fn journalctl(arguments: &[&str]) -> Result<Vec<u8>, StepError> {
    let mut command = Command::new(JOURNALCTL);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(TAIL_LIMIT, command.output()).await {
        Ok(Ok(output)) => Ok(output.stdout),
        Ok(Err(source)) => Err(StepError::Run {
            program: PathBuf::from(JOURNALCTL),
            source,
        }),
        Err(_) => Err(StepError::Timeout {
            what: JOURNALCTL.to_owned(),
            limit: TAIL_LIMIT,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_be_text_bytes_or_nothing() {
        for (message, text) in [
            (r#""hello""#, "hello"),
            ("[104,105,255]", "hi\u{fffd}"),
            ("null", ""),
        ] {
            let line = format!(r#"{{"__REALTIME_TIMESTAMP":"17","MESSAGE":{message},"_X":"y"}}"#);
            assert_eq!(
                parse(&line).unwrap(),
                LogLine {
                    at_micros: 17,
                    text: text.into(),
                    dropped: None,
                }
            );
        }
        assert_eq!(parse(r#"{"__REALTIME_TIMESTAMP":"1"}"#).unwrap().text, "");
    }

    #[test]
    fn lines_that_are_lost_are_counted() {
        let line =
            r#"{"__REALTIME_TIMESTAMP":"17","MESSAGE":"Suppressed 7 messages","N_DROPPED":"7"}"#;
        let line = parse(line).unwrap();
        assert_eq!(line.dropped, Some(7));
        assert!(
            line.text.starts_with("7 lines are missing here"),
            "{line:?}"
        );
    }

    #[test]
    fn what_is_no_entry_is_an_error() {
        for line in ["", "{}", r#"{"__REALTIME_TIMESTAMP":"x","MESSAGE":"y"}"#] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
