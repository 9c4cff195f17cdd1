//! Ranks methods by faithfulness.

use super::{Evaluation, REFERENCE, Value};

/// The faithfulness measures, and their signs: 1 if higher is better. The correlation with leave
/// one out is not among them, because it would compare occlusion with itself.
const FAITHFUL: [(&str, f64); 3] =
    [("comprehensiveness", 1.), ("sufficiency", -1.), ("infidelity", -1.)];

/// A method and its mean rank over the faithfulness measures; 1 is the best.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    pub method: String,
    pub mean_rank: f64,
}

/// Ranks every method, best first. Ties share a rank. Measures that were not taken do not count.
pub fn rank(evaluation: &Evaluation) -> Vec<Ranked> {
    let methods: Vec<_> =
        evaluation.of_methods.iter().filter(|(method, _)| method != REFERENCE).collect();
    let lists: Vec<Vec<Option<f64>>> = FAITHFUL
        .iter()
        .map(|(name, sign)| methods.iter().map(|(_, m)| Some(sign * number(m, name)?)).collect())
        .collect();
    let mean_rank = |index: usize| {
        let ranks: Vec<f64> = lists.iter().filter_map(|list| rank_in(list, index)).collect();
        (!ranks.is_empty()).then(|| super::statistics::mean(&ranks))
    };
    let ranked = methods.iter().enumerate().filter_map(|(index, (method, _))| {
        Some(Ranked { method: method.clone(), mean_rank: mean_rank(index)? })
    });
    let mut ranked: Vec<Ranked> = ranked.collect();
    ranked.sort_by(|a, b| a.mean_rank.total_cmp(&b.mean_rank));
    ranked
}

/// Returns the value of a measure that is a single number.
pub fn number(measures: &[(&'static str, Value)], name: &str) -> Option<f64> {
    measures.iter().find(|(found, _)| *found == name).and_then(|(_, value)| match value {
        Value::Number(number) => Some(*number),
        Value::Named(_) => None,
    })
}

/// Returns the rank of entry `index`, from 1 for the largest value; ties share their mean rank.
fn rank_in(list: &[Option<f64>], index: usize) -> Option<f64> {
    let value = list[index]?;
    let others = || list.iter().flatten();
    let better = others().filter(|other| **other > value).count() as f64;
    let same = others().filter(|other| **other == value).count() as f64;
    Some(better + (same + 1.) / 2.)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_faithful_comes_first_and_the_reference_does_not_count() {
        let of = |name: &str, c: f64, s: f64| {
            let values =
                vec![("comprehensiveness", Value::Number(c)), ("sufficiency", Value::Number(s))];
            (name.to_owned(), values)
        };
        let of_methods =
            vec![of("a", 0.1, 0.2), of("b", 0.5, 0.1), of("c", 0.5, 0.3), of(REFERENCE, 1., 0.)];
        let ranked = rank(&Evaluation { of_methods, ..Evaluation::default() });
        let names: Vec<(&str, f64)> =
            ranked.iter().map(|r| (r.method.as_str(), r.mean_rank)).collect();
        assert_eq!(names, [("b", 1.25), ("c", 2.25), ("a", 2.5)]);
        assert!(rank(&Evaluation::default()).is_empty());
    }
}
