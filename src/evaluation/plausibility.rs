//! How well the scores agree with the words that a person marked (DeYoung et al. 2020, ERASER).
//! Plausible scores are not faithful ones: they may please and still not be why the model answers.

use futures_util::FutureExt;

use super::{Bench, MeasureEntry, Value};
use crate::random::Generator;

pub const ENTRY: MeasureEntry = MeasureEntry {
    name: "plausibility",
    summary: "Agreement with the input's rationale, the words that a person marked. Of the tokens \
              with the highest scores, as many as are marked: token_f1, and iou_f1 of runs of \
              tokens that overlap a marked run by half of their union; auprc: area under the \
              precision-recall curve of all scores. Only for inputs with a rationale.",
    paper: "DeYoung et al. 2020, arXiv:1911.03429; Attanasio et al. 2023, arXiv:2208.01575",
    better: "higher agrees more with people, which is not faithfulness to the model",
    cost: |_, _, _| 0,
    run: |bench, scored| {
        async move {
            let (scores, marked) = bench.rationale(scored.scores);
            let values = measure(&scores, &marked);
            Ok(values.map(|values| Value::Named(PARTS.into_iter().zip(values).collect())))
        }
        .boxed()
    },
};

/// Returns the mean over random rankings of the tokens: the values that methods have to beat. `None`
/// if no token is marked.
pub fn of_random(
    bench: &Bench<'_>,
    rankings: usize,
    generator: impl Fn(&Bench<'_>, usize) -> Generator,
) -> Option<Value> {
    let mut sums = PARTS.map(|part| (part, 0.));
    for ranking in 0..rankings {
        let mut generator = generator(bench, ranking);
        let scores: Vec<f64> = (0..bench.tokens()).map(|_| generator.uniform()).collect();
        let (scores, marked) = bench.rationale(&scores);
        let values = measure(&scores, &marked)?;
        sums.iter_mut().zip(values).for_each(|(sum, value)| sum.1 += value / rankings as f64);
    }
    Some(Value::Named(sums.to_vec()))
}

/// The names of the values.
const PARTS: [&str; 3] = ["token_f1", "iou_f1", "auprc"];

/// The least overlap of two runs, as a share of their union, at which they match.
const MATCH: f64 = 0.5;

/// Compares the scores of tokens with whether each is marked; one value per name in [`PARTS`].
/// `None` if none is marked.
fn measure(scores: &[f64], marked: &[bool]) -> Option<[f64; 3]> {
    let count = marked.iter().filter(|marked| **marked).count();
    if count == 0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut chosen = vec![false; scores.len()];
    order[..count].iter().for_each(|&token| chosen[token] = true);
    let both = chosen.iter().zip(marked).filter(|(chosen, marked)| **chosen && **marked).count();
    Some([
        // Precision and recall are equal, because as many are chosen as are marked.
        both as f64 / count as f64,
        iou_f1(&runs(&chosen), &runs(marked)),
        auprc(scores, marked, &order),
    ])
}

/// Returns the runs of consecutive `true`, `[start, end)`.
fn runs(flags: &[bool]) -> Vec<(usize, usize)> {
    let (mut runs, mut start) = (Vec::new(), None);
    for (index, flag) in flags.iter().copied().chain([false]).enumerate() {
        match (flag, start) {
            (true, None) => start = Some(index),
            (false, Some(first)) => {
                runs.push((first, index));
                start = None;
            }
            _ => {}
        }
    }
    runs
}

/// ERASER's IOU F1: the harmonic mean of the shares of chosen and of marked runs that match one of
/// the other kind.
fn iou_f1(chosen: &[(usize, usize)], marked: &[(usize, usize)]) -> f64 {
    let matches = |own: &(usize, usize), others: &[(usize, usize)]| {
        others.iter().any(|other| {
            let both = own.1.min(other.1).saturating_sub(own.0.max(other.0));
            let either = (own.1 - own.0) + (other.1 - other.0) - both;
            both as f64 >= MATCH * either as f64
        })
    };
    let share = |own: &[(usize, usize)], others: &[(usize, usize)]| {
        own.iter().filter(|run| matches(run, others)).count() as f64 / own.len() as f64
    };
    let (precision, recall) = (share(chosen, marked), share(marked, chosen));
    if precision + recall > 0. { 2. * precision * recall / (precision + recall) } else { 0. }
}

/// The area under the curve of precision by recall over all thresholds, by the trapezoid rule from
/// precision 1 at recall 0, as in scikit-learn's `precision_recall_curve` and `auc`.
fn auprc(scores: &[f64], marked: &[bool], order: &[usize]) -> f64 {
    let count = marked.iter().filter(|marked| **marked).count() as f64;
    let (mut area, mut hits, mut before) = (0., 0., (0., 1.));
    for (rank, &token) in order.iter().enumerate() {
        hits += f64::from(u8::from(marked[token]));
        // Equal scores pass a threshold together.
        let next = order.get(rank + 1).map(|&next| scores[next]);
        if next != Some(scores[token]) {
            let now = (hits / count, hits / (rank + 1) as f64);
            area += (now.0 - before.0) * (now.1 + before.1) / 2.;
            before = now;
        }
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(scores: &[f64], marked: &[usize]) -> [f64; 3] {
        let marked: Vec<bool> = (0..scores.len()).map(|token| marked.contains(&token)).collect();
        measure(scores, &marked).unwrap()
    }

    /// The areas are those of scikit-learn 1.8.
    #[test]
    fn values_are_worked_out_by_hand() {
        let close = |found: [f64; 3], expected: [f64; 3]| {
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{found:?} is not {expected:?}");
        };
        close(named(&[0.1, 0.9, 0.8, -0.5], &[1, 2]), [1., 1., 1.]);
        // Chosen: 1 and 3. The runs 1 and 3 against 1..3: an overlap of 1 of 2 matches.
        close(named(&[0.1, 0.9, 0.2, 0.8, -0.5], &[1, 2]), [0.5, 2. / 3., 0.791_666_667]);
        close(named(&[0.3, 0.2, 0.1], &[2]), [0., 0., 0.166_666_667]);
        // All scores are equal: one threshold, and the first tokens are chosen.
        close(named(&[1., 1., 1., 1.], &[3]), [0., 0., 0.625]);
        assert_eq!(measure(&[1., 2.], &[false, false]), None);
    }
}
