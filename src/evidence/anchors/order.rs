//! Orders words for the search: first those with a large effect on the prediction that are rare.
//!
//! For a linear model, an anchor consists of the words with the largest products of coefficient
//! and inverse document frequency (Lopardo, Precioso & Garreau 2022, arXiv:2205.13789). Here the
//! coefficient is the gradient of the predicted logit times the difference from the mask token's
//! embedding. It is averaged over a few points on the path from the masks, because the gradient
//! at the input alone is small for words that the model is sure about.

use std::sync::Arc;

use super::super::{Original, Predictor};
use crate::corpus::Index;
use crate::error::Result;
use crate::model::Model;
use crate::text::{Encoding, Unit};

/// What the rarity of a word is measured by.
#[derive(Clone)]
pub enum Rarity {
    /// The rank in the model's vocabulary.
    Rank,
    /// The document frequencies of a corpus of the model.
    Corpus(Arc<Index>),
}

/// Returns word indices, most promising first, or in text order if there is no time for
/// gradients.
pub async fn by_gradient(
    predictor: &Predictor,
    original: &Original<'_>,
    words: &[&Unit],
    rarity: &Rarity,
) -> Result<Vec<usize>> {
    let label = original.verdict.label;
    let effects = predictor.effects(original.encoding, label).await?;
    let mut order: Vec<usize> = (0..words.len()).collect();
    if let Some(effects) = effects {
        let value = |word: &Unit| -> f64 {
            let effect: f64 = word.tokens.iter().map(|&token| effects[token]).sum();
            effect * rarity.of(predictor.model(), original.encoding, word)
        };
        let values: Vec<f64> = words.iter().map(|word| value(word)).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    }
    Ok(order)
}

impl Rarity {
    /// Returns the inverse document frequency of the word's rarest piece, or a substitute.
    fn of(&self, model: &Model, encoding: &Encoding, word: &Unit) -> f64 {
        let pieces = word.tokens.iter().map(|&token| encoding.ids.input_ids[token]);
        match self {
            Self::Corpus(index) => {
                pieces.map(|piece| index.frequencies.inverse(piece)).fold(0., f64::max)
            }
            Self::Rank => by_rank(model, pieces.max().unwrap_or_default()),
        }
    }
}

/// Substitute for the inverse document frequency if there is no corpus: the logarithm of the
/// vocabulary rank, relative to the largest. Tokenizers order pieces by frequency, and by Zipf's
/// law the frequency of a word is inverse to its rank.
fn by_rank(model: &Model, piece: u32) -> f64 {
    let last = model.text.vocabulary().max(2) as f64;
    (2. + f64::from(piece)).ln() / last.ln()
}
