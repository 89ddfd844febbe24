//! Medians and spreads of a few raw numbers.

use std::fmt;

/// The least, middle and largest of some samples.
pub(crate) struct SampleSummary {
    min: f64,
    pub(crate) median: f64,
    max: f64,
}

impl SampleSummary {
    /// Of at least one sample.
    pub(crate) fn from_samples(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let (min, max) = (*samples.first()?, *samples.last()?);
        let middle = samples.len() / 2;
        let median = if samples.len() % 2 == 1 {
            samples[middle]
        } else {
            f64::midpoint(samples[middle - 1], samples[middle])
        };
        Some(Self { min, median, max })
    }
}

impl fmt::Display for SampleSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:8.2}  ({:.2} to {:.2})",
            self.median, self.min, self.max
        )
    }
}
