//! When the agent looks for updates, and when it may switch by itself.

use crate::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use orlop_config::{TimeOfDay, Weekday, Window};
use std::time::Duration;

/// A wait is up to this part of the interval longer.
const JITTER_PART: u32 = 12;
/// Every weekly window opens or is open within these days, counted from today: yesterday's may last
/// until today, and today's may be over for this week.
const DAYS_AROUND: std::ops::RangeInclusive<i64> = -1..=8;

/// Whether the agent may switch by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may, now.
    Open,
    /// It may from then on.
    Closed {
        /// When a window opens; none where that is beyond the calendar.
        opens: Option<Timestamp>,
    },
}

/// The wait before the first look after a start: some of the jitter. `random` is any number.
pub fn first_wait(every: Duration, random: u64) -> Duration {
    jitter(every, random)
}

/// The wait between two looks: the interval and some jitter.
pub fn next_wait(every: Duration, random: u64) -> Duration {
    every.saturating_add(jitter(every, random))
}

fn jitter(every: Duration, random: u64) -> Duration {
    let most = u64::try_from((every / JITTER_PART).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % most.saturating_add(1))
}

/// How the windows stand at `now` in the node's time zone. No windows at all are always open.
///
/// Where a clock change skips or repeats a time, the earlier offset counts: a window that opens in a
/// skipped hour opens right after it.
pub fn standing(windows: &[Window], zone: &TimeZone, now: Timestamp) -> Standing {
    if windows.is_empty() {
        return Standing::Open;
    }
    let Some(today) = instant(now).map(|now| zone.to_datetime(now).date()) else {
        return Standing::Closed { opens: None };
    };
    let mut opens: Option<Timestamp> = None;
    for (window, day) in windows
        .iter()
        .flat_map(|w| DAYS_AROUND.map(move |n| (w, n)))
    {
        let Some((from, to)) = times(window, today, day, zone) else {
            continue;
        };
        if from <= now && now < to {
            return Standing::Open;
        }
        if from > now && opens.is_none_or(|known| from < known) {
            opens = Some(from);
        }
    }
    Standing::Closed { opens }
}

/// When `window` opens and closes, `offset` days from `today`; none where it does not on that day.
fn times(
    window: &Window,
    today: Date,
    offset: i64,
    zone: &TimeZone,
) -> Option<(Timestamp, Timestamp)> {
    let days = |n: i64| jiff::Span::new().try_days(n).ok();
    let date = today.checked_add(days(offset)?).ok()?;
    let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
    if !window.days.contains(Weekday::ALL.get(weekday)?) {
        return None;
    }
    let last = if window.is_over_midnight() {
        date.checked_add(days(1)?).ok()?
    } else {
        date
    };
    Some((at(date, window.from, zone)?, at(last, window.to, zone)?))
}

fn at(date: Date, time: TimeOfDay, zone: &TimeZone) -> Option<Timestamp> {
    let minutes = i64::from(time.minutes());
    let span = jiff::Span::new().try_minutes(minutes).ok()?;
    let local = DateTime::from_parts(date, jiff::civil::Time::midnight());
    let local = local.checked_add(span).ok()?;
    let instant = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    u64::try_from(instant.as_second()).ok().map(Timestamp)
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(i64::try_from(at.0).ok()?).ok()
}

/// `2026-11-23 02:00 Europe/Berlin`.
pub fn local_time(at: Timestamp, zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    match instant(at) {
        Some(instant) => {
            let local = zone.to_datetime(instant);
            format!("{} {name}", local.strftime("%Y-%m-%d %H:%M"))
        }
        None => format!("second {}", at.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A window by its TOML.
    fn windows(toml: &str) -> Vec<Window> {
        let text = format!("schema = 1\n[update]\nwindow = [{toml}]\n");
        orlop_config::parse("node.toml", &text)
            .unwrap()
            .update
            .window
    }

    fn utc(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp(u64::try_from(instant.as_second()).unwrap())
    }

    fn opens(text: &str) -> Standing {
        Standing::Closed {
            opens: Some(utc(text)),
        }
    }

    /// Berlin's rules since 1996, as tzdata writes them in the footer of its file.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn without_windows_it_may_switch_at_any_time() {
        assert_eq!(
            standing(&[], &TimeZone::UTC, utc("2026-11-22T12:00:00Z")),
            Standing::Open
        );
    }

    #[test]
    fn a_window_is_open_from_its_first_minute_until_before_its_last() {
        // 2026-11-22 is a Sunday.
        let weekdays = windows(r#"{ days = ["mon-fri"], from = "02:00", to = "05:00" }"#);
        for (now, expected) in [
            ("2026-11-22T12:00:00Z", opens("2026-11-23T02:00:00Z")),
            ("2026-11-23T01:59:59Z", opens("2026-11-23T02:00:00Z")),
            ("2026-11-23T02:00:00Z", Standing::Open),
            ("2026-11-23T04:59:59Z", Standing::Open),
            ("2026-11-23T05:00:00Z", opens("2026-11-24T02:00:00Z")),
            ("2026-11-27T05:00:00Z", opens("2026-11-30T02:00:00Z")),
        ] {
            assert_eq!(
                standing(&weekdays, &TimeZone::UTC, utc(now)),
                expected,
                "{now}"
            );
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
        let friday = windows(r#"{ days = ["fri"], from = "23:00", to = "04:00" }"#);
        for (now, expected) in [
            ("2026-11-27T22:59:59Z", opens("2026-11-27T23:00:00Z")),
            ("2026-11-28T03:59:59Z", Standing::Open),
            ("2026-11-28T04:00:00Z", opens("2026-12-04T23:00:00Z")),
            ("2026-11-27T03:00:00Z", opens("2026-11-27T23:00:00Z")),
        ] {
            assert_eq!(
                standing(&friday, &TimeZone::UTC, utc(now)),
                expected,
                "{now}"
            );
        }
    }

    #[test]
    fn of_several_windows_the_next_one_counts() {
        let two = windows(
            r#"{ days = ["sat"], from = "00:00", to = "24:00" }, { from = "03:00", to = "03:30" }"#,
        );
        let zone = TimeZone::UTC;
        assert_eq!(
            standing(&two, &zone, utc("2026-11-27T12:00:00Z")),
            opens("2026-11-28T00:00:00Z")
        );
        assert_eq!(
            standing(&two, &zone, utc("2026-11-28T23:59:59Z")),
            Standing::Open
        );
        assert_eq!(
            standing(&two, &zone, utc("2026-11-29T00:00:00Z")),
            opens("2026-11-29T03:00:00Z")
        );
    }

    #[test]
    fn windows_follow_the_time_zone_and_its_clock_changes() {
        let nightly = windows(r#"{ from = "02:00", to = "05:00" }"#);
        for (now, expected) in [
            // Winter: an hour ahead of UTC.
            ("2026-11-22T00:59:59Z", opens("2026-11-22T01:00:00Z")),
            ("2026-11-22T03:59:59Z", Standing::Open),
            ("2026-11-22T04:00:00Z", opens("2026-11-23T01:00:00Z")),
            // Summer: two hours.
            ("2026-07-01T00:00:00Z", Standing::Open),
            // The night in which 02:00 does not exist: it opens at 03:00 local time.
            ("2026-03-29T00:59:59Z", opens("2026-03-29T01:00:00Z")),
            ("2026-03-29T02:59:59Z", Standing::Open),
            ("2026-03-29T03:00:00Z", opens("2026-03-30T00:00:00Z")),
        ] {
            assert_eq!(standing(&nightly, &berlin(), utc(now)), expected, "{now}");
        }
        let text = local_time(utc("2026-11-23T01:00:00Z"), &TimeZone::UTC);
        assert_eq!(text, "2026-11-23 01:00 UTC");
    }

    #[test]
    fn a_wait_is_up_to_a_twelfth_longer_and_the_first_one_only_that() {
        let longest = HOUR / 12;
        for random in [0, 1, 299_999, 300_000, u64::MAX] {
            let first = first_wait(HOUR, random);
            assert!(first <= longest, "{first:?}");
            assert_eq!(next_wait(HOUR, random), HOUR + first);
        }
        assert_eq!(first_wait(HOUR, 300_000), longest);
        assert_eq!(first_wait(Duration::from_millis(1), 7), Duration::ZERO);
    }
}
