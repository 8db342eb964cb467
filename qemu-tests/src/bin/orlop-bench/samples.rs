//! Repeated measurements of one thing.

/// Measurements in one unit; never empty where they are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The middle one, or the mean of the middle two; none without samples.
    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let upper = *sorted.get(sorted.len() / 2)?;
        if sorted.len() % 2 == 1 {
            return Some(upper);
        }
        Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper))
    }

    /// Median, least and greatest, and how many, as cells of a table.
    pub(crate) fn cells(&self, digits: usize) -> [String; 4] {
        let sorted = self.sorted();
        let show = |value: Option<f64>| {
            value.map_or("not measured".to_owned(), |value| {
                format!("{value:.digits$}")
            })
        };
        [
            show(self.median()),
            show(sorted.first().copied()),
            show(sorted.last().copied()),
            self.len().to_string(),
        ]
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let median = |values: &[f64]| values.iter().copied().collect::<Samples>().median();
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn the_cells_are_median_least_greatest_and_how_many() {
        let samples: Samples = [30.0, 10.0, 20.04].into_iter().collect();
        assert_eq!(samples.cells(1), ["20.0", "10.0", "30.0", "3"]);
    }
}
