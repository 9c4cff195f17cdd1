//! Running mean and variance.

use crate::evaluation::interval::Interval;

/// Mean and sum of squared deviations from it, updated per text (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    pub mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds the `count`-th value.
    pub fn add(&mut self, value: f64, count: usize) {
        let deviation = value - self.mean;
        self.mean += deviation / count as f64;
        self.squares += deviation * (value - self.mean);
    }

    /// Returns the mean of `count` values with Student's interval; `None` for fewer than two.
    pub fn interval(self, count: usize) -> Option<Interval> {
        Interval::student(self.mean, self.squares, count)
    }
}
