//! Equal tokens of a pass: rows of one text that differ in masked tokens have most of them in common.

use std::collections::HashMap;

use crate::backend::Repeats;
use crate::rows::Row;

/// From how many tokens per distinct one their products save more than copying the results costs.
const MIN_TOKENS_PER_DISTINCT: usize = 2;

/// Returns which tokens of packed rows have the same ids, if they are many. Tokens of rows on a path
/// are different from all others.
pub fn of(rows: &[&Row]) -> Option<Repeats> {
    let (mut known, mut distinct, mut places) = (HashMap::new(), Vec::new(), Vec::new());
    for row in rows {
        let ids = &row.tokens;
        for i in 0..ids.len() {
            let id = (ids.input_ids[i], ids.position_ids[i], ids.token_type_ids[i]);
            let next = distinct.len();
            let place = match row.path {
                None => *known.entry(id).or_insert(next),
                Some(_) => next,
            };
            if place == next {
                distinct.push(places.len());
            }
            places.push(place);
        }
    }
    let pays = MIN_TOKENS_PER_DISTINCT * distinct.len() <= places.len();
    pays.then_some(Repeats { distinct, places })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rows::{Baseline, Path, Tokens};

    fn row(input_ids: [u32; 3]) -> Row {
        let tokens = Tokens {
            input_ids: input_ids.to_vec(),
            token_type_ids: vec![0; 3],
            position_ids: vec![0, 1, 2],
        };
        Row::forward(Arc::new(tokens), [].into())
    }

    #[test]
    fn tokens_repeat_at_the_same_position_only() {
        let rows = [row([1, 7, 7]), row([1, 7, 9]), row([1, 9, 7]), row([1, 7, 7])];
        let found = of(&rows.each_ref()).unwrap();
        assert_eq!(found.distinct, [0, 1, 2, 5, 7]);
        assert_eq!(found.places, [0, 1, 2, 0, 1, 3, 0, 4, 2, 0, 1, 2]);
        assert_eq!(of(&[&rows[0], &row([2, 8, 8])]), None, "nothing repeats");
        assert_eq!(of(&[]), Some(Repeats { distinct: vec![], places: vec![] }));
    }

    #[test]
    fn token_types_and_paths_are_different() {
        let (plain, mut other) = (row([1, 2, 3]), row([1, 2, 3]));
        Arc::make_mut(&mut other.tokens).token_type_ids = vec![0, 1, 1];
        let path = Path { baseline: Baseline::Zero, alpha: 0.5, noise: None, held: 0 };
        let moved = Row { path: Some(path), ..plain.clone() };
        let found = of(&[&plain, &plain, &plain, &other, &plain, &moved, &plain]).unwrap();
        assert_eq!(found.distinct, [0, 1, 2, 10, 11, 15, 16, 17]);
        assert_eq!(found.places[9..], [0, 3, 4, 0, 1, 2, 5, 6, 7, 0, 1, 2]);
    }
}
