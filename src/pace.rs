//! How fast something went of late.

use std::sync::{Mutex, PoisonError};

/// Amounts and the seconds that they took, in sums that fade note by note.
#[derive(Debug)]
pub struct Pace {
    /// What a note leaves of the sums before it.
    fade: f64,
    sums: Mutex<Sums>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    amount: f64,
    seconds: f64,
}

impl Pace {
    /// Nothing is known yet.
    pub fn new(fade: f64) -> Self {
        Self { fade, sums: Mutex::default() }
    }

    /// As if so much had been noted.
    pub fn starting_with(fade: f64, amount: f64, seconds: f64) -> Self {
        Self { fade, sums: Mutex::new(Sums { amount, seconds }) }
    }

    pub fn note(&self, amount: usize, seconds: f64) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.amount = sums.amount * self.fade + amount as f64;
        sums.seconds = sums.seconds * self.fade + seconds.max(1e-6);
    }

    /// What so much should take; none before the first note.
    pub fn seconds_for(&self, amount: usize) -> Option<f64> {
        let sums = *self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        (sums.amount > 0.).then(|| amount as f64 * sums.seconds / sums.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn the_newest_counts_most() {
        let pace = Pace::new(0.5);
        assert_eq!(pace.seconds_for(10), None);
        pace.note(10, 1.);
        assert_eq!(pace.seconds_for(20), Some(2.));
        (0..20).for_each(|_| pace.note(100, 1.));
        assert!((pace.seconds_for(100).unwrap() - 1.).abs() < 1e-3);
    }
}
