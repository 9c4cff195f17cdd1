//! Running statistics of the importance and the patterns of heads.

use serde_json::Value;

use crate::choice::Choice;
use crate::explanation::Pattern;
use crate::report::Accumulate;
use crate::report::moments::Moments;
use crate::rows::AttentionHead;

/// The statistics of all heads over the texts so far.
#[derive(Debug)]
pub struct Tally {
    pub texts: usize,
    pub truncated: usize,
    /// `[layers · heads]`
    pub heads: Vec<Head>,
    /// Number of heads per layer.
    width: usize,
}

/// The statistics of one head.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Of the magnitude of the importance.
    pub size: Moments,
    /// Of the importance itself.
    pub signed: Moments,
    /// Number of texts with each pattern, in the order of [`Pattern::ALL`].
    pub patterns: [usize; Pattern::ALL.len()],
}

impl Head {
    /// Returns the most frequent pattern and the number of texts with it; of equally frequent ones
    /// the first.
    pub fn pattern(&self) -> (Pattern, usize) {
        let counted = Pattern::ALL.iter().copied().zip(self.patterns);
        counted.fold((Pattern::Mixed, 0), |best, one| if one.1 > best.1 { one } else { best })
    }
}

impl Tally {
    pub fn new(layers: usize, heads: usize) -> Self {
        let all = vec![Head::default(); layers * heads];
        Self { texts: 0, truncated: 0, heads: all, width: heads }
    }

    /// Returns the head at this index of [`Self::heads`].
    pub fn name(&self, index: usize) -> AttentionHead {
        AttentionHead { layer: index / self.width, head: index % self.width }
    }

    /// Returns the indices of all heads, the highest mean magnitude first.
    pub fn ranked(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.heads.len()).collect();
        let size = |index: &usize| self.heads[*index].size.mean;
        order.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.cmp(b)));
        order
    }

    /// Returns the `count` heads with the highest mean magnitude.
    pub fn most_important(&self, count: usize) -> Vec<AttentionHead> {
        self.ranked().into_iter().take(count).map(|index| self.name(index)).collect()
    }
}

impl Accumulate for Tally {
    fn texts(&self) -> usize {
        self.texts
    }

    fn add(&mut self, _: usize, record: &Value) -> Option<()> {
        let truncated = record["truncated"].as_bool()?;
        let layers = record["scores"].as_array()?.iter();
        let scores: Vec<&Vec<Value>> = layers.map(Value::as_array).collect::<Option<_>>()?;
        let scores: Vec<f64> =
            scores.into_iter().flatten().map(Value::as_f64).collect::<Option<_>>()?;
        let position = |name: &Value| Pattern::NAMES.iter().position(|known| *known == name);
        let patterns: Vec<usize> =
            record["patterns"].as_array()?.iter().map(position).collect::<Option<_>>()?;
        if scores.len() != self.heads.len() || patterns.len() != self.heads.len() {
            return None;
        }
        self.texts += 1;
        self.truncated += usize::from(truncated);
        for (head, (score, pattern)) in self.heads.iter_mut().zip(scores.into_iter().zip(patterns))
        {
            head.size.add(score.abs(), self.texts);
            head.signed.add(score, self.texts);
            head.patterns[pattern] += 1;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn heads_are_ranked_by_mean_magnitude() {
        let mut tally = Tally::new(2, 2);
        for (scores, first) in [
            ([[1., -2.], [0.5, 0.]], "next"),
            ([[-1., -4.], [0.5, 3.]], "cls"),
            ([[3., -3.], [0.5, 0.]], "cls"),
        ] {
            let patterns = [first, "broad", "mixed", "self"];
            let record = json!({"truncated": false, "scores": scores, "patterns": patterns});
            tally.add(0, &record).unwrap();
        }
        let named: Vec<[usize; 2]> =
            tally.most_important(3).iter().map(|head| [head.layer, head.head]).collect();
        assert_eq!(named, [[0, 1], [0, 0], [1, 1]]);
        let first = &tally.heads[0];
        assert!(
            (first.size.mean - 5. / 3.).abs() < 1e-12 && (first.signed.mean - 1.).abs() < 1e-12
        );
        assert_eq!(first.pattern(), (Pattern::First, 2));
        assert_eq!(tally.heads[3].pattern(), (Pattern::Itself, 3));
    }

    #[test]
    fn records_of_another_form_are_refused() {
        for record in [
            json!(null),
            json!({"truncated": false, "scores": [[1.]], "patterns": ["cls", "cls"]}),
            json!({"truncated": false, "scores": [[1., 2.]], "patterns": ["cls"]}),
            json!({"truncated": false, "scores": [[1., 2.]], "patterns": ["cls", "odd"]}),
            json!({"truncated": false, "scores": [[1., "2"]], "patterns": ["cls", "cls"]}),
        ] {
            let mut tally = Tally::new(1, 2);
            assert_eq!(tally.add(0, &record), None, "{record}");
            assert_eq!(tally.texts(), 0);
        }
    }
}
