//! Candidate replacements for each word, ordered by HotFlip (Ebrahimi et al. 2018): the
//! first-order change of a logit difference, gradient times difference of embeddings.

use std::sync::Arc;

use super::super::fill::{self, Filling};
use super::super::{Original, Predictor, words};
use crate::error::{Error, Result};
use crate::model::{Model, WordEmbeddings};
use crate::script::is_han;
use crate::text::borders::is_chinese_word;
use crate::text::{Encoding, Unit};

/// How many nearest words in the embedding table may replace a word. The second number is used
/// only if no change of few words flips the prediction with the first.
pub const NEIGHBOURS: [usize; 2] = [100, 20_000];

/// The most replacements per word.
const PER_WORD: usize = 12;

/// A replacement of one word.
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    pub word: usize,
    pub to: String,
    /// First-order change of `logit[towards] - logit[from]`.
    pub gain: f64,
}

/// A word to replace: its index, its token ids and their gradients, `[width]` each.
struct Target<'a> {
    index: usize,
    unit: &'a Unit,
    ids: Vec<u32>,
    gradients: Vec<&'a [f64]>,
}

/// Returns replacements of all words, highest gain first. Runs one gradient row and, with a
/// masked language model, one row of it per word. `None` if time runs out.
pub async fn replacements(
    predictor: &Predictor,
    original: &Original<'_>,
    filler: Option<&Arc<Model>>,
    words: &[&Unit],
    labels: (usize, usize),
    neighbours: usize,
) -> Result<Option<Vec<Replacement>>> {
    let (towards, from) = labels;
    let ids = Arc::clone(&original.encoding.ids);
    let gradients = predictor.gradients(&[ids], towards, from).await?;
    let Some(gradient) = gradients.and_then(|mut all| all.pop()) else { return Ok(None) };
    let fillings = match filler {
        None => None,
        Some(filler) => {
            let masked: Vec<Vec<&Unit>> = words.iter().map(|word| vec![*word]).collect();
            match fill::top_k(predictor, filler, original.input, &masked).await? {
                Some(fillings) => Some(fillings.into_iter().map(|masks| masks.concat()).collect()),
                None => return Ok(None),
            }
        }
    };
    let model = Arc::clone(predictor.model());
    let units: Vec<Unit> = words.iter().map(|word| (*word).clone()).collect();
    let encoding = original.encoding.clone();
    let ordered = move || ordered(&model, &encoding, &units, &gradient, fillings, neighbours);
    predictor.passes.compute(ordered).await?.map(Some)
}

fn ordered(
    model: &Model,
    encoding: &Encoding,
    words: &[Unit],
    gradient: &[f64],
    fillings: Option<Vec<Vec<Filling>>>,
    neighbours: usize,
) -> Result<Vec<Replacement>> {
    let table = model.word_embeddings().map_err(Error::internal)?;
    let at = |token: usize| &gradient[token * table.width..][..table.width];
    let mut all = Vec::new();
    for (index, unit) in words.iter().enumerate() {
        let target = Target {
            index,
            unit,
            ids: unit.tokens.iter().map(|&token| encoding.ids.input_ids[token]).collect(),
            gradients: unit.tokens.iter().map(|&token| at(token)).collect(),
        };
        let mut own = match &fillings {
            Some(fillings) => target.filled(model, &table, &fillings[index])?,
            None => {
                let mut own = target.neighbours(model, &table, neighbours);
                own.extend(target.other_characters(model, &table));
                own
            }
        };
        own.sort_by(|a, b| b.gain.total_cmp(&a.gain));
        own.dedup_by(|a, b| a.to == b.to);
        own.truncate(PER_WORD);
        all.append(&mut own);
    }
    all.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    Ok(all)
}

impl Target<'_> {
    /// Returns the `count` whole words of the vocabulary whose embeddings have the highest cosine
    /// with that of this word, the mean over its tokens.
    fn neighbours(
        &self,
        model: &Model,
        table: &WordEmbeddings<'_>,
        count: usize,
    ) -> Vec<Replacement> {
        let own = self.mean(table);
        let words = model.text.whole_words().iter().filter(|(_, word)| self.suits(word));
        let mut near: Vec<(f64, u32, &String)> =
            words.map(|(id, word)| (cosine(&own, table.of(*id)), *id, word)).collect();
        if near.len() > count {
            near.select_nth_unstable_by(count, |a, b| b.0.total_cmp(&a.0));
            near.truncate(count);
        }
        near.into_iter().map(|(_, id, word)| self.replacement(table, word, &[id])).collect()
    }

    /// Returns dictionary words that differ from this word in one character. Only for Chinese
    /// words of several characters with one token each.
    fn other_characters(&self, model: &Model, table: &WordEmbeddings<'_>) -> Vec<Replacement> {
        let letters: Vec<char> = self.unit.text.chars().collect();
        if letters.len() < 2
            || letters.len() != self.ids.len()
            || !self.unit.text.chars().all(is_han)
        {
            return Vec::new();
        }
        let mut found = Vec::new();
        let singles = model.text.whole_words().iter().filter(|(_, word)| word.chars().count() == 1);
        for (id, word) in singles {
            for position in 0..letters.len() {
                let mut other = letters.clone();
                other[position] = word.chars().next().unwrap_or_default();
                let other: String = other.into_iter().collect();
                if other != self.unit.text && is_chinese_word(&other) {
                    let mut ids = self.ids.clone();
                    ids[position] = *id;
                    found.push(self.replacement(table, &other, &ids));
                }
            }
        }
        found
    }

    /// Returns the suitable words that a masked language model proposes.
    fn filled(
        &self,
        model: &Model,
        table: &WordEmbeddings<'_>,
        fillings: &[Filling],
    ) -> Result<Vec<Replacement>> {
        let suitable = fillings.iter().filter(|filling| self.suits(&filling.text));
        let replacement = |filling: &Filling| {
            let ids = model.text.content(&filling.text)?;
            Ok(self.replacement(table, &filling.text, &ids))
        };
        suitable.map(replacement).collect()
    }

    /// Whether `word` may replace this word: it is a different word of the same script.
    fn suits(&self, word: &str) -> bool {
        let chinese = |text: &str| text.chars().any(is_han);
        chinese(word) == chinese(&self.unit.text)
            && word.to_lowercase() != self.unit.text.to_lowercase()
    }

    fn mean(&self, table: &WordEmbeddings<'_>) -> Vec<f64> {
        let mut mean = vec![0.; table.width];
        for &id in &self.ids {
            let own = table.of(id).iter().zip(&mut mean);
            own.for_each(|(x, mean)| *mean += f64::from(*x) / self.ids.len() as f64);
        }
        mean
    }

    /// Computes the gain `Σ ∂F/∂e_t · (e'_t - e_t)` over the word's tokens. If the new word has
    /// fewer tokens, `e'_t` is zero for the rest; if it has more, the surplus is ignored.
    fn replacement(&self, table: &WordEmbeddings<'_>, word: &str, ids: &[u32]) -> Replacement {
        let along = |gradient: &[f64], id: u32| -> f64 {
            gradient.iter().zip(table.of(id)).map(|(g, x)| g * f64::from(*x)).sum()
        };
        let old: f64 = self.gradients.iter().zip(&self.ids).map(|(g, &id)| along(g, id)).sum();
        let new: f64 = self.gradients.iter().zip(ids).map(|(g, &id)| along(g, id)).sum();
        Replacement { word: self.index, to: words::cased(word, &self.unit.text), gain: new - old }
    }
}

/// Cosine similarity without division by the norm of `own`, which does not affect the order.
fn cosine(own: &[f64], other: &[f32]) -> f64 {
    let (mut product, mut square) = (0., 0.);
    for (a, b) in own.iter().zip(other) {
        let b = f64::from(*b);
        product += a * b;
        square += b * b;
    }
    product / square.sqrt().max(f64::MIN_POSITIVE)
}
