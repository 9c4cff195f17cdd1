//! Measures the recent speed of an activity.

use std::sync::{Mutex, PoisonError};

/// Exponentially decaying sums of amounts and of the seconds that they took.
#[derive(Debug)]
pub struct Pace {
    /// Factor for the previous sums at each measurement.
    decay: f64,
    sums: Mutex<Sums>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    amount: f64,
    seconds: f64,
}

impl Pace {
    pub fn new(decay: f64) -> Self {
        Self { decay, sums: Mutex::default() }
    }

    /// Starts with one measurement.
    pub fn starting_with(decay: f64, amount: f64, seconds: f64) -> Self {
        Self { decay, sums: Mutex::new(Sums { amount, seconds }) }
    }

    /// Adds a measurement.
    pub fn note(&self, amount: usize, seconds: f64) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.amount = sums.amount * self.decay + amount as f64;
        sums.seconds = sums.seconds * self.decay + seconds.max(1e-6);
    }

    /// Predicts the seconds for `amount`; `None` before the first measurement.
    pub fn seconds_for(&self, amount: usize) -> Option<f64> {
        let sums = *self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        (sums.amount > 0.).then(|| amount as f64 * sums.seconds / sums.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn recent_measurements_dominate() {
        let pace = Pace::new(0.5);
        assert_eq!(pace.seconds_for(10), None);
        pace.note(10, 1.);
        assert_eq!(pace.seconds_for(20), Some(2.));
        (0..20).for_each(|_| pace.note(100, 1.));
        assert!((pace.seconds_for(100).unwrap() - 1.).abs() < 1e-3);
    }
}
