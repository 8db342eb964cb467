//! When a task runs: calendar expressions, read into the form of systemd.time(7).

use serde::Serialize;
use std::fmt;
use std::ops::RangeInclusive;

/// The days of a week, as systemd writes them.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The words for a whole expression, and what they stand for.
const WORDS: [(&str, &str); 6] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
];
/// The words that may stand before a time of day: its days.
const DAY_WORDS: [(&str, &str, &str); 3] = [
    ("daily", "", "*-*-*"),
    ("weekly", "Mon ", "*-*-*"),
    ("monthly", "", "*-*-01"),
];
/// The longest expression, in bytes; every sensible one is far shorter.
const MAX_LEN: usize = 200;
/// The years that systemd knows (systemd.time(7)).
const YEARS: RangeInclusive<u32> = 1970..=2199;

/// A calendar expression, in systemd's own form: `Mon..Fri *-*-* 03:00:00`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule(String);

/// Text that is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as a schedule: {why}")]
pub struct ScheduleError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Schedule {
    /// For `OnCalendar=` of a timer unit.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Schedule {
    type Err = ScheduleError;

    /// Reads `daily`, `daily 03:00`, `mon-fri 02:30`, `*-*-01 04:00:00`, `*:0/15`: at most a word or
    /// days of the week, a date and a time, each part a `*`, a number, a range `a..b`, a list `a,b`
    /// or steps `a/n`.
    ///
    /// # Errors
    /// Says which part is wrong.
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let fail = |why: String| ScheduleError {
            text: text.to_owned(),
            why,
        };
        if text.len() > MAX_LEN {
            return Err(fail("it is too long".to_owned()));
        }
        read(text).map(Self).map_err(fail)
    }
}

fn read(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split_whitespace().collect();
    if let [word] = parts[..]
        && let Some((_, meaning)) = WORDS.iter().find(|(known, _)| *known == word)
    {
        return Ok((*meaning).to_owned());
    }
    if let [word, clock] = parts[..]
        && let Some((_, days, date)) = DAY_WORDS.iter().find(|(known, ..)| *known == word)
    {
        return Ok(format!("{days}{date} {}", time(clock)?));
    }
    let mut rest = &parts[..];
    let mut days = String::new();
    if let Some((first, tail)) = rest.split_first()
        && first.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        days = format!("{} ", weekdays(first)?);
        rest = tail;
    }
    let mut day = "*-*-*".to_owned();
    if let Some((first, tail)) = rest.split_first()
        && !first.contains(':')
    {
        day = date(first)?;
        rest = tail;
    }
    match rest {
        [] if parts.is_empty() => Err("it is empty".to_owned()),
        [] => Ok(format!("{days}{day} 00:00:00")),
        [clock] => Ok(format!("{days}{day} {}", time(clock)?)),
        [_, more, ..] => Err(format!("`{more}` stands behind the time")),
    }
}

fn weekdays(text: &str) -> Result<String, String> {
    let day = |name: &str| {
        let known = DAYS.iter().find(|day| {
            let day = day.to_ascii_lowercase();
            // `mon` and `monday`.
            name == day || (name.ends_with("day") && name.starts_with(&day))
        });
        known.ok_or_else(|| format!("`{name}` is neither a day of the week nor a known word"))
    };
    let one = |item: &str| match item.split_once("..").or_else(|| item.split_once('-')) {
        Some((from, to)) => Ok(format!("{}..{}", day(from)?, day(to)?)),
        None => day(item).map(|day| (*day).to_owned()),
    };
    let items: Result<Vec<String>, String> = text.split(',').map(one).collect();
    items.map(|items| items.join(","))
}

fn date(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [year, month, day] => Ok(format!(
            "{}-{}-{}",
            component("year", year, YEARS)?,
            component("month", month, 1..=12)?,
            component("day", day, 1..=31)?
        )),
        [month, day] => Ok(format!(
            "*-{}-{}",
            component("month", month, 1..=12)?,
            component("day", day, 1..=31)?
        )),
        _ => Err(format!("`{text}` is not a date; write year-month-day")),
    }
}

fn time(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, "00"),
        [hour, minute, second] => (hour, minute, second),
        _ => return Err(format!("`{text}` is not a time; write hours:minutes")),
    };
    Ok(format!(
        "{}:{}:{}",
        component("hour", hour, 0..=23)?,
        component("minute", minute, 0..=59)?,
        component("second", second, 0..=59)?
    ))
}

/// One part of a date or time: a list of `*`, numbers and ranges, each with steps or not.
fn component(what: &str, text: &str, range: RangeInclusive<u32>) -> Result<String, String> {
    let number = |digits: &str| {
        let number: Option<u32> = digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())
            .flatten();
        match number {
            None => Err(format!("`{digits}` is not a number for the {what}")),
            Some(number) if !range.contains(&number) => {
                let (least, most) = (range.start(), range.end());
                Err(format!("the {what} {number} is not from {least} to {most}"))
            }
            Some(number) => Ok(number),
        }
    };
    let item = |item: &str| {
        let (values, step) = match item.split_once('/') {
            Some((values, step)) => (values, Some(step)),
            None => (item, None),
        };
        let mut out = match values.split_once("..") {
            Some((from, to)) => {
                let (from, to) = (number(from)?, number(to)?);
                if from > to {
                    return Err(format!("the {what}s {from}..{to} run backwards"));
                }
                format!("{from:02}..{to:02}")
            }
            None if values == "*" => "*".to_owned(),
            None => format!("{:02}", number(values)?),
        };
        if let Some(step) = step {
            let step: u32 = step
                .parse()
                .map_err(|_| format!("`{step}` is not a number of {what}s"))?;
            if step == 0 || step > *range.end() {
                return Err(format!("steps of {step} {what}s lead nowhere"));
            }
            // systemd takes no steps of `*`.
            if out == "*" {
                out = format!("{:02}", range.start());
            }
            out = format!("{out}/{step}");
        }
        Ok(out)
    };
    let items: Result<Vec<String>, String> = text.split(',').map(item).collect();
    items.map(|items| items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_becomes_systemds_own() {
        for (text, expected) in [
            ("daily", "*-*-* 00:00:00"),
            ("daily 03:00", "*-*-* 03:00:00"),
            ("Monthly 4:05:06", "*-*-01 04:05:06"),
            ("mon-fri 02:30", "Mon..Fri *-*-* 02:30:00"),
            ("Sat,sunday", "Sat,Sun *-*-* 00:00:00"),
            ("*:0/15", "*-*-* *:00/15:00"),
            ("*:*/5", "*-*-* *:00/5:00"),
            ("*:*:*", "*-*-* *:*:*"),
            ("2027-02-03 04:05", "2027-02-03 04:05:00"),
            ("12-24,31 18:00", "*-12-24,31 18:00:00"),
            ("*-*-01..07 9..17:00", "*-*-01..07 09..17:00:00"),
        ] {
            let schedule: Result<Schedule, _> = text.parse();
            assert_eq!(schedule.unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", "it is empty"),
            (
                "dayly",
                "`dayly` is neither a day of the week nor a known word",
            ),
            ("daily 25:00", "the hour 25 is not from 0 to 23"),
            ("03:00 daily", "`daily` stands behind the time"),
            ("2027-13-01", "the month 13 is not from 1 to 12"),
            ("*:30..10", "the minutes 30..10 run backwards"),
            ("*:0/0", "steps of 0 minutes lead nowhere"),
            ("*:+5", "`+5` is not a number for the minute"),
            ("5", "`5` is not a date; write year-month-day"),
        ] {
            let error = text.parse::<Schedule>().unwrap_err();
            assert_eq!(error.why, why, "{text}");
        }
    }

    #[test]
    fn nothing_of_a_text_gets_through_that_a_unit_file_would_take_for_more() {
        for text in [
            "daily\nExecStart=/bin/x",
            "*:0\n/15",
            "mon\u{0} 1:00",
            "%h:00",
        ] {
            let read = text.parse::<Schedule>();
            assert!(
                read.is_err() || !read.unwrap().as_str().contains(['\n', '%', '\0']),
                "{text:?}"
            );
        }
    }
}
