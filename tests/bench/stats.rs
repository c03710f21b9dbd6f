//! The arithmetic of the bench: medians, ranges, percentiles, paired ratios. Pure; prints nothing, measures nothing.
//!
//! The bench has no test harness, so the tests below run where `tests/it` includes this file by path.

/// What several rounds say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    /// The middle value; of an even number, the mean of the middle two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Summary {
    /// Sums up `values`, in whatever unit they have. No values: every field is NaN, which meets no bar.
    pub(crate) fn of(values: &[f64]) -> Self {
        let sorted = ascending(values);
        Self {
            median: middle(&sorted),
            min: sorted.first().copied().unwrap_or(f64::NAN),
            max: sorted.last().copied().unwrap_or(f64::NAN),
        }
    }
}

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Bar {
    /// Whether `value` is good enough; NaN never is.
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(bar) => value <= bar,
            Self::AtLeast(bar) => value >= bar,
        }
    }
}

/// The ratio `ours / theirs` of each round. Both sides were measured in the same rounds, in the same order.
pub(crate) fn paired_ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(a, b)| a / b).collect()
}

/// The value below which the share `share` (0 to 1) of `values` lies, nearest rank. No values: NaN.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let sorted = ascending(values);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.max(1) - 1)
        .or(sorted.last())
        .copied()
        .unwrap_or(f64::NAN)
}

fn ascending(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

// No `use super::*`: without a harness the tests vanish and an import would be unused.
#[cfg(test)]
mod tests {
    #[test]
    fn the_median_of_an_odd_number_of_rounds_is_the_middle_one() {
        let summary = super::Summary::of(&[5.0, 1.0, 3.0]);
        assert_eq!((summary.median, summary.min, summary.max), (3.0, 1.0, 5.0));
    }

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_the_middle_two() {
        assert_eq!(super::Summary::of(&[4.0, 1.0, 2.0, 100.0]).median, 3.0);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ratios = super::paired_ratios(&[1.0, 4.0, 9.0], &[2.0, 4.0, 3.0]);
        assert_eq!(ratios, [0.5, 1.0, 3.0]);
    }

    #[test]
    fn the_median_of_ratios_is_not_the_ratio_of_medians() {
        let (ours, theirs) = ([1.0, 2.0, 9.0], [1.0, 4.0, 3.0]);
        let paired = super::Summary::of(&super::paired_ratios(&ours, &theirs)).median;
        assert_eq!(paired, 1.0);
        assert!(super::Summary::of(&ours).median / super::Summary::of(&theirs).median < paired);
    }

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        for (share, expected) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(super::percentile(&values, share), expected, "{share}");
        }
        assert_eq!(super::percentile(&[7.0], 0.5), 7.0);
    }

    #[test]
    fn a_bar_is_met_on_its_edge_and_never_by_nothing() {
        use super::{Bar, Summary};
        assert!(Bar::AtMost(0.03).is_met_by(0.03) && !Bar::AtMost(0.03).is_met_by(0.031));
        assert!(Bar::AtLeast(0.9).is_met_by(0.9) && !Bar::AtLeast(0.9).is_met_by(0.89));
        let nothing = Summary::of(&[]).median;
        assert!(!Bar::AtMost(1.0).is_met_by(nothing) && !Bar::AtLeast(1.0).is_met_by(nothing));
        assert!(super::percentile(&[], 0.5).is_nan());
    }
}
