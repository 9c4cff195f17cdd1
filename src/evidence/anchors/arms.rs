//! Candidates as bandit arms, and the samples that they share.

use super::super::bounds;
use super::super::perturb::Sample;

/// A candidate anchor and its sample counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Word indices, ascending.
    pub words: Vec<usize>,
    /// Samples that kept the prediction.
    pub kept: usize,
    pub count: usize,
}

impl Arm {
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0. } else { self.kept as f64 / self.count as f64 }
    }

    /// Returns the lower confidence bound of the mean at this exploration rate.
    pub fn lower(&self, level: f64) -> f64 {
        if self.count == 0 { 0. } else { bounds::lower(self.mean(), self.count, level) }
    }

    /// Returns the upper confidence bound.
    pub fn upper(&self, level: f64) -> f64 {
        if self.count == 0 { 1. } else { bounds::upper(self.mean(), self.count, level) }
    }

    pub fn record(&mut self, kept: bool) {
        self.kept += usize::from(kept);
        self.count += 1;
    }
}

/// Samples, grouped by the candidate for which they were drawn.
#[derive(Default)]
pub struct Pool {
    drawn: Vec<(Vec<usize>, Vec<Sample>)>,
}

impl Pool {
    pub fn add(&mut self, words: &[usize], samples: &[Sample]) {
        match self.drawn.iter_mut().find(|(own, _)| own == words) {
            Some((_, all)) => all.extend_from_slice(samples),
            None => self.drawn.push((words.to_vec(), samples.to_vec())),
        }
    }

    /// Returns the samples of the distribution of `words`: those drawn for a subset of them in
    /// which the others are present by chance. The selection does not depend on labels.
    pub fn of<'a>(&'a self, words: &'a [usize]) -> impl Iterator<Item = &'a Sample> {
        let is_subset = |own: &[usize]| own.iter().all(|word| words.contains(word));
        let contains_all = |sample: &&Sample| words.iter().all(|&word| sample.present[word]);
        self.drawn
            .iter()
            .filter(move |(own, _)| is_subset(own))
            .flat_map(|(_, samples)| samples)
            .filter(contains_all)
    }
}

/// Returns the `count` arms with the highest means, and the two arms to sample next in LUCB
/// (Kaufmann & Kalyanakrishnan 2013): the selected arm with the lowest lower bound and the other
/// arm with the highest upper bound. Returns no arms to sample once these bounds separate.
pub fn leaders(arms: &[Arm], count: usize, level: f64, tolerance: f64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..arms.len()).collect();
    // The sort is stable: ties keep their order.
    order.sort_by(|&a, &b| arms[b].mean().total_cmp(&arms[a].mean()));
    let (best, others) = order.split_at(count.min(order.len()));
    let lower = |arm: usize| arms[arm].lower(level);
    let upper = |arm: usize| arms[arm].upper(level);
    let weakest = best.iter().copied().min_by(|&a, &b| lower(a).total_cmp(&lower(b)));
    let rival = others.iter().copied().max_by(|&a, &b| upper(a).total_cmp(&upper(b)));
    let ambiguous = match (weakest, rival) {
        (Some(weakest), Some(rival)) if upper(rival) - lower(weakest) >= tolerance => {
            vec![weakest, rival]
        }
        _ => Vec::new(),
    };
    (best.to_vec(), ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(kept: usize, count: usize) -> Arm {
        Arm { words: Vec::new(), kept, count }
    }

    #[test]
    fn leaders_samples_the_arms_that_are_hard_to_separate() {
        let level = bounds::exploration(4, 1, 0.05);
        let arms = [arm(10, 20), arm(95, 100), arm(18, 20), arm(1, 100)];
        let (best, ambiguous) = leaders(&arms, 1, level, 0.1);
        assert_eq!((best, ambiguous), (vec![1], vec![1, 2]));
        let clear = [arm(990, 1000), arm(10, 1000)];
        assert_eq!(leaders(&clear, 1, level, 0.1), (vec![0], Vec::new()));
        assert_eq!(leaders(&clear, 2, level, 0.1), (vec![0, 1], Vec::new()));
    }

    #[test]
    fn pool_shares_samples_between_candidates() {
        let sample = |present: [bool; 3]| Sample::of(present.into(), 0);
        let mut pool = Pool::default();
        pool.add(&[], &[sample([true, true, false]), sample([false, true, true])]);
        pool.add(&[0], &[sample([true, true, true])]);
        assert_eq!(pool.of(&[0, 1]).count(), 2);
        assert_eq!(pool.of(&[1]).count(), 2, "a sample drawn for word 0 does not belong to word 1");
        assert_eq!(pool.of(&[0]).count(), 2);
    }
}
