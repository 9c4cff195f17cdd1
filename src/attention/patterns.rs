//! Classifies what each attention head does with an input, by the patterns of Clark et al. 2019
//! (arXiv:1906.04341).

use crate::evaluation::statistics::entropy;
use crate::explanation::{HeadPattern, Pair, Pattern};
use crate::rows::AttentionMap;
use crate::text::{Encoding, Token};

/// Number of token pairs to return per head.
const PAIRS: usize = 5;

/// Minimum share of a head's attention for it to be classified as a pattern.
const MOSTLY: f64 = 0.5;

/// Minimum entropy of a head's queries, as a share of the highest possible one, for it to be
/// classified as broad.
const BROAD: f64 = 0.75;

/// The patterns of where a query looks. The first one with the highest share is taken.
const KEY_PATTERNS: [Pattern; 7] = [
    Pattern::Previous,
    Pattern::Next,
    Pattern::Itself,
    Pattern::First,
    Pattern::Separator,
    Pattern::Punctuation,
    Pattern::Repeated,
];

fn classify(layer: usize, head: usize, weights: &[f64], kinds: &TokenKinds) -> HeadPattern {
    let queries = || weights.chunks(kinds.tokens).enumerate();
    let mean = |of_query: &dyn Fn(usize, &[f64]) -> f64| {
        // An empty sum is -0, which `max` turns into 0.
        let sum = queries().fold(0., |sum, (query, row)| sum + of_query(query, row).max(0.));
        sum / kinds.tokens as f64
    };
    let share = |pattern: Pattern| {
        mean(&|query, row| {
            let keys = row.iter().enumerate();
            keys.filter(|(key, _)| kinds.fits(pattern, query, *key)).map(|(_, w)| w).sum()
        })
    };
    let broad = mean(&|_, row| entropy(row).unwrap_or_default())
        / (kinds.tokens as f64).ln().max(f64::MIN_POSITIVE);
    let mut scores: Vec<(Pattern, f64)> =
        KEY_PATTERNS.into_iter().map(|pattern| (pattern, share(pattern))).collect();
    let (dominant, highest) = scores.iter().fold(
        (Pattern::Mixed, 0.),
        |best: (Pattern, f64), score| {
            if score.1 > best.1 { *score } else { best }
        },
    );
    scores.push((Pattern::Broad, broad));
    let (pattern, score) = match () {
        () if highest >= MOSTLY => (dominant, highest),
        () if broad >= BROAD => (Pattern::Broad, broad),
        () => (Pattern::Mixed, highest),
    };
    HeadPattern { layer, head, pattern, score, scores, pairs: strongest(weights, kinds.tokens) }
}

fn strongest(weights: &[f64], tokens: usize) -> Vec<Pair> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let stronger = |a: &usize, b: &usize| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b));
    // A head of a long text has hundreds of thousands of weights: only the first few are sorted.
    if order.len() > PAIRS {
        order.select_nth_unstable_by(PAIRS, stronger);
        order.truncate(PAIRS);
    }
    order.sort_unstable_by(stronger);
    let pair = |i: usize| Pair { query: i / tokens, key: i % tokens, weight: weights[i] };
    order.into_iter().map(pair).collect()
}

/// The properties of tokens that patterns depend on.
pub struct TokenKinds {
    tokens: usize,
    ids: Vec<u32>,
    special: Vec<bool>,
    punctuation: Vec<bool>,
}

impl TokenKinds {
    pub fn new(encoding: &Encoding) -> Self {
        let is_punctuation = |token: &Token| {
            let text = encoding.slice(token.segment, token.start, token.end);
            let is_mark = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
            !token.special && !text.trim().is_empty() && text.trim().chars().all(is_mark)
        };
        Self {
            tokens: encoding.tokens.len(),
            ids: encoding.tokens.iter().map(|token| token.id).collect(),
            special: encoding.tokens.iter().map(|token| token.special).collect(),
            punctuation: encoding.tokens.iter().map(is_punctuation).collect(),
        }
    }

    /// Classifies every head in the map of layer `layer`.
    pub fn patterns(&self, layer: usize, map: &AttentionMap) -> Vec<HeadPattern> {
        let size = map.tokens * map.tokens;
        let heads = map.weights.chunks(size.max(1)).enumerate();
        heads.map(|(head, weights)| classify(layer, head, weights, self)).collect()
    }

    /// Returns whether attention from `query` to `key` follows the pattern.
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
