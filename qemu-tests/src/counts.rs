//! The file that a container of the sample app counts into: it shows when the container did not run.

use std::time::Duration;

/// A line that does not follow the one before it: another process went on with the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read count {expected}: the line is {line:?}")]
pub struct BadCount {
    /// The number that should have come, from 0.
    pub expected: usize,
    /// The line.
    pub line: String,
}

/// When the app counted, since its start. A last line without its end is still being written, and is
/// left out.
///
/// # Errors
/// [`BadCount`]: a line is not a number and microseconds, or not the next number.
pub fn count_times(file: &str) -> Result<Vec<Duration>, BadCount> {
    let whole = file.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let time = |(expected, line): (usize, &str)| {
        line.split_once(' ')
            .filter(|(number, _)| *number == expected.to_string())
            .and_then(|(_, micros)| Some(Duration::from_micros(micros.parse().ok()?)))
            .ok_or_else(|| BadCount {
                expected,
                line: line.to_owned(),
            })
    };
    whole.lines().enumerate().map(time).collect()
}

/// The longest time between two counts; none where there are fewer.
pub fn longest_gap(times: &[Duration]) -> Duration {
    let gaps = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    gaps.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_between_whole_lines_that_follow_each_other() {
        let times = count_times("0 10\n1 20030\n2 300040\n3 5").unwrap();
        assert_eq!(times.len(), 3);
        assert_eq!(longest_gap(&times), Duration::from_micros(280_010));
        assert_eq!(longest_gap(&count_times("").unwrap()), Duration::ZERO);
    }

    #[test]
    fn a_count_of_another_process_is_told() {
        let bad = count_times("0 10\n1 20030\n0 12\n").unwrap_err();
        assert_eq!(bad.to_string(), "cannot read count 2: the line is \"0 12\"");
    }
}
