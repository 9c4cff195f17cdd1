//! The random number generator for sampling: SplitMix64 (Steele, Lea & Flood 2014). It takes a few
//! lines in any language, so a sampled explanation can be reproduced elsewhere.

/// A generator. A copy continues from the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generator {
    state: u64,
}

/// What the state grows by with each number.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Generator {
    /// Returns the `number`-th independent sequence for `seed`.
    pub fn stream(seed: u64, number: u64) -> Self {
        let first = Self { state: seed }.next();
        Self { state: first.wrapping_add(number.wrapping_mul(0xD1B5_4A32_D192_ED03)) }
    }

    /// Returns the state that a generator continues from, for [`Self::at`].
    pub fn state(self) -> u64 {
        self.state
    }

    /// Returns the generator with this state.
    pub fn at(state: u64) -> Self {
        Self { state }
    }

    /// Returns the generator after `count` normal numbers, without drawing them.
    pub fn after_normals(self, count: usize) -> Self {
        Self { state: self.state.wrapping_add(STEP.wrapping_mul(2 * count as u64)) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a number in `0..count`.
    pub fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    /// Returns a number of mean 0 and variance 1 (Box & Muller 1958); consumes two uniform
    /// numbers.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2. * (1. - self.uniform()).ln()).sqrt();
        radius * (2. * std::f64::consts::PI * self.uniform()).cos()
    }

    /// Returns `size` distinct numbers of `0..count`, by a Fisher-Yates shuffle.
    pub fn choose(&mut self, size: usize, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..count).collect();
        for k in 0..size {
            let other = k + self.below(count - k);
            numbers.swap(k, other);
        }
        numbers.truncate(size);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut generator = Generator { state: 1_234_567 };
        let first: Vec<u64> = (0..3).map(|_| generator.next()).collect();
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(first, published);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut generator = Generator::stream(7, 3);
        let n = 100_000;
        let mean = |draw: &mut dyn FnMut() -> f64| (0..n).map(|_| draw()).sum::<f64>() / n as f64;
        assert!((mean(&mut || generator.uniform()) - 0.5).abs() < 0.01);
        assert!(mean(&mut || generator.normal()).abs() < 0.02);
        assert!((mean(&mut || generator.normal().powi(2)) - 1.).abs() < 0.03);
    }

    #[test]
    fn normal_numbers_can_be_skipped() {
        let first = Generator::stream(7, 3);
        let mut drawn = first;
        for _ in 0..1_000 {
            drawn.normal();
        }
        assert_eq!(first.after_normals(1_000), drawn);
        assert_eq!(Generator::at(drawn.state()).normal(), drawn.normal());
    }

    #[test]
    fn chosen_numbers_are_distinct() {
        let mut generator = Generator::stream(0, 0);
        for size in 0..=9 {
            let mut chosen = generator.choose(size, 9);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), size);
            assert!(chosen.iter().all(|&number| number < 9));
        }
    }
}
