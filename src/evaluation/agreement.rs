//! Agreement between two methods (Krishna et al. 2022, "The Disagreement Problem in Explainable
//! Machine Learning", arXiv:2202.01602).

use super::Scored;
use super::statistics::spearman;

/// Agreement of two methods' scores of the same words.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    pub methods: [String; 2],
    /// Number of top words that are compared: a quarter of all, rounded up.
    pub k: usize,
    /// Share of the top k words that both methods have.
    pub top_k_feature: f64,
    /// Share of the top k ranks that have the same word in both methods.
    pub top_k_rank: f64,
    /// Share of the top k words that both methods have with the same sign.
    pub sign: f64,
    /// Spearman's rank correlation over all words; `None` if a method's scores are all equal.
    pub spearman: Option<f64>,
}

/// Compares every pair of methods, by magnitudes if one of them is unsigned.
pub fn between(names: &[String], methods: &[Scored<'_>], scores: &[Vec<f64>]) -> Vec<Agreement> {
    let pairs = (0..names.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
    let agreement = |(a, b): (usize, usize)| {
        let signed = methods[a].method.signed && methods[b].method.signed;
        let names = [names[a].clone(), names[b].clone()];
        of(names, &comparable(&scores[a], signed), &comparable(&scores[b], signed))
    };
    pairs.map(agreement).collect()
}

/// Returns the scores, or their magnitudes unless `signed`.
pub fn comparable(scores: &[f64], signed: bool) -> Vec<f64> {
    scores.iter().map(|score| if signed { *score } else { score.abs() }).collect()
}

fn of(methods: [String; 2], a: &[f64], b: &[f64]) -> Agreement {
    let k = a.len().div_ceil(4);
    let (top_a, top_b) = (top(a, k), top(b, k));
    let share = |count: usize| count as f64 / k.max(1) as f64;
    let common: Vec<usize> = top_a.iter().copied().filter(|word| top_b.contains(word)).collect();
    let same_sign = common.iter().filter(|&&word| a[word].signum() == b[word].signum());
    Agreement {
        methods,
        k,
        top_k_feature: share(common.len()),
        top_k_rank: share(top_a.iter().zip(&top_b).filter(|(a, b)| a == b).count()),
        sign: share(same_sign.count()),
        spearman: spearman(a, b),
    }
}

/// Returns the k words of largest magnitude, largest first.
fn top(scores: &[f64], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].abs().total_cmp(&scores[a].abs()));
    order.truncate(k);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_top_words() {
        let names = || ["a".to_owned(), "b".to_owned()];
        let a = [5., -4., 1., 0.5, 0.2];
        let same = of(names(), &a, &a);
        assert_eq!((same.k, same.top_k_feature, same.top_k_rank, same.sign), (2, 1., 1., 1.));
        let other = of(names(), &a, &[-4., -5., 1., 0.5, 0.2]);
        assert_eq!((other.top_k_feature, other.top_k_rank, other.sign), (1., 0., 0.5));
        assert_eq!(of(names(), &a, &[1.; 5]).spearman, None);
    }
}
