//! Maintenance windows as the TOML writes them: days, and the time of day.

use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// A day of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All of them, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// As the TOML writes it: `mon`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == text)
    }
}

/// The days that `mon` or `fri-mon` stands for; a range may go over the end of the week. None
/// where the text is neither.
pub(crate) fn days(text: &str) -> Option<Vec<Weekday>> {
    let Some((first, last)) = text.split_once('-') else {
        return Weekday::named(text).map(|day| vec![day]);
    };
    let (first, last) = (Weekday::named(first)?, Weekday::named(last)?);
    let from_first = Weekday::ALL.into_iter().cycle().skip(first as usize);
    let mut days: Vec<Weekday> = from_first.take_while(|day| *day != last).collect();
    days.push(last);
    Some(days)
}

/// A time of day in whole minutes, from 00:00 to 24:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The end of a day, `24:00`.
    pub const MIDNIGHT: Self = Self(DAY_MINUTES);

    /// Minutes since the day began.
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// Reads `HH:MM`; none where the text is no such time.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str| {
            let two_digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            two_digits.then(|| text.parse::<u16>().ok()).flatten()
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let all = hours * 60 + minutes;
        (minutes < 60 && all <= DAY_MINUTES).then_some(Self(all))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A time at which the agent may switch by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The days on which it opens.
    pub days: BTreeSet<Weekday>,
    /// When it opens.
    pub from: TimeOfDay,
    /// When it closes: on the next day where it is not later than `from`.
    pub to: TimeOfDay,
}

impl Window {
    /// Whether it closes on the day after the one on which it opened.
    pub fn is_over_midnight(&self) -> bool {
        self.to <= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};

    #[test]
    fn a_range_of_days_may_go_over_the_end_of_the_week() {
        for (text, expected) in [
            ("wed", vec![Wed]),
            ("mon-fri", vec![Mon, Tue, Wed, Thu, Fri]),
            ("sat-mon", vec![Sat, Sun, Mon]),
            ("tue-tue", vec![Tue]),
        ] {
            assert_eq!(days(text), Some(expected), "{text}");
        }
        for text in ["", "Mon", "monday", "mon-", "-mon", "mon-tue-wed"] {
            assert_eq!(days(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_day_has_two_digits_each_and_ends_at_24() {
        for (text, minutes) in [
            ("00:00", 0),
            ("02:30", 150),
            ("23:59", 1439),
            ("24:00", 1440),
        ] {
            let time = TimeOfDay::read(text).unwrap();
            assert_eq!(
                (time.minutes(), time.to_string()),
                (minutes, text.to_owned())
            );
        }
        for text in [
            "", "2:30", "02:60", "24:01", "02", "02:3", "+2:30", "02:30:00",
        ] {
            assert_eq!(TimeOfDay::read(text), None, "{text}");
        }
    }
}
