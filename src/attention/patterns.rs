//! What each attention head does with this input, by the patterns of Clark et al.
//! 2019 (arXiv:1906.04341).

use crate::evaluation::statistics::entropy;
use crate::explanation::{HeadPattern, Pair, Pattern};
use crate::rows::AttentionMap;
use crate::text::{Encoding, Token};

/// The pairs of tokens that are shown of a head.
const PAIRS: usize = 5;

/// A head that gives this share of its attention to a pattern is called by it.
const MOSTLY: f64 = 0.5;

/// And one whose queries spread it so far, as a share of the highest entropy that
/// there is, is called broad.
const BROAD: f64 = 0.75;

/// The patterns that are about where a query looks; the first of the highest
/// counts.
const PLACES: [Pattern; 7] = [
    Pattern::Previous,
    Pattern::Next,
    Pattern::Itself,
    Pattern::First,
    Pattern::Separator,
    Pattern::Punctuation,
    Pattern::Repeated,
];

fn of_head(layer: usize, head: usize, weights: &[f64], places: &Places) -> HeadPattern {
    let queries = || weights.chunks(places.tokens).enumerate();
    let mean = |of_query: &dyn Fn(usize, &[f64]) -> f64| {
        // An empty sum is -0.
        let sum = queries().fold(0., |sum, (query, row)| sum + of_query(query, row).max(0.));
        sum / places.tokens as f64
    };
    let share = |pattern: Pattern| {
        mean(&|query, row| {
            let keys = row.iter().enumerate();
            keys.filter(|(key, _)| places.fits(pattern, query, *key)).map(|(_, w)| w).sum()
        })
    };
    let broad = mean(&|_, row| entropy(row).unwrap_or_default())
        / (places.tokens as f64).ln().max(f64::MIN_POSITIVE);
    let mut scores: Vec<(Pattern, f64)> =
        PLACES.into_iter().map(|pattern| (pattern, share(pattern))).collect();
    let (place, most) =
        scores.iter().fold(
            (Pattern::Mixed, 0.),
            |best: (Pattern, f64), score| {
                if score.1 > best.1 { *score } else { best }
            },
        );
    scores.push((Pattern::Broad, broad));
    let (pattern, score) = match () {
        () if most >= MOSTLY => (place, most),
        () if broad >= BROAD => (Pattern::Broad, broad),
        () => (Pattern::Mixed, most),
    };
    HeadPattern { layer, head, pattern, score, scores, pairs: strongest(weights, places.tokens) }
}

fn strongest(weights: &[f64], tokens: usize) -> Vec<Pair> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    let pair = |&at: &usize| Pair { query: at / tokens, key: at % tokens, weight: weights[at] };
    order.iter().take(PAIRS).map(pair).collect()
}

/// What each token is.
pub struct Places {
    tokens: usize,
    ids: Vec<u32>,
    special: Vec<bool>,
    punctuation: Vec<bool>,
}

impl Places {
    pub fn new(encoding: &Encoding) -> Self {
        let is_punctuation = |token: &Token| {
            let text = encoding.slice(token.segment, token.start, token.end);
            let inside = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
            !token.special && !text.trim().is_empty() && text.trim().chars().all(inside)
        };
        Self {
            tokens: encoding.tokens.len(),
            ids: encoding.tokens.iter().map(|token| token.id).collect(),
            special: encoding.tokens.iter().map(|token| token.special).collect(),
            punctuation: encoding.tokens.iter().map(is_punctuation).collect(),
        }
    }

    /// Every head of the map of layer number `layer`.
    pub fn patterns(&self, layer: usize, map: &AttentionMap) -> Vec<HeadPattern> {
        let size = map.tokens * map.tokens;
        let heads = map.weights.chunks(size.max(1)).enumerate();
        heads.map(|(head, weights)| of_head(layer, head, weights, self)).collect()
    }

    /// Whether this query that looks at this key does what the pattern says.
    fn fits(&self, pattern: Pattern, query: usize, key: usize) -> bool {
        match pattern {
            Pattern::Previous => key + 1 == query,
            Pattern::Next => key == query + 1,
            Pattern::Itself => key == query,
            Pattern::First => key == 0 && self.special[0],
            Pattern::Separator => key > 0 && self.special[key],
            Pattern::Punctuation => self.punctuation[key],
            Pattern::Repeated => {
                key != query && !self.special[key] && self.ids[key] == self.ids[query]
            }
            Pattern::Broad | Pattern::Mixed => false,
        }
    }
}
