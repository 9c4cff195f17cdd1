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

/// Where replacements come from.
#[derive(Debug, Clone, Copy)]
pub enum Reach {
    /// Words whose embeddings are close to that of the replaced word.
    Near,
    /// All words of the vocabulary and, for Chinese, all two-character words of the dictionary.
    /// Used only if near words do not flip the prediction with few changes.
    Everything,
}

/// How many nearest words in the embedding table are near.
const NEIGHBOURS: usize = 100;

/// How many of the best characters for each position are combined to two-character words.
const CHARACTERS: usize = 200;

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

/// What proposes replacements.
pub enum Source {
    /// A masked language model: its proposals for each word.
    Filled(Vec<Vec<Filling>>),
    /// The embedding table.
    Table(Reach),
}

impl Source {
    /// Returns the most replacements per word.
    fn per_word(&self) -> usize {
        match self {
            Self::Filled(_) | Self::Table(Reach::Near) => 12,
            Self::Table(Reach::Everything) => 24,
        }
    }
}

/// Lets a masked language model propose replacements of all words. Runs one row of it per word.
/// `None` if time runs out.
pub async fn filled(
    predictor: &Predictor,
    original: &Original<'_>,
    filler: &Arc<Model>,
    words: &[&Unit],
) -> Result<Option<Source>> {
    let masked: Vec<Vec<&Unit>> = words.iter().map(|word| vec![*word]).collect();
    let fillings = fill::top_k(predictor, filler, original.input, &masked).await?;
    let each = |fillings: Vec<Vec<Vec<Filling>>>| fillings.into_iter().map(|masks| masks.concat());
    Ok(fillings.map(|fillings| Source::Filled(each(fillings).collect())))
}

/// Returns replacements of `words`, highest gain first. `gradient` is that of the difference of
/// the logits at the word embeddings, `[tokens · width]`.
pub async fn replacements(
    predictor: &Predictor,
    encoding: &Encoding,
    words: Vec<Unit>,
    gradient: Arc<[f64]>,
    source: Source,
) -> Result<Vec<Replacement>> {
    let (model, encoding) = (Arc::clone(predictor.model()), encoding.clone());
    let ordered = move || ordered(&model, &encoding, &words, &gradient, &source);
    predictor.passes.compute(ordered).await?
}

fn ordered(
    model: &Model,
    encoding: &Encoding,
    words: &[Unit],
    gradient: &[f64],
    source: &Source,
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
        let mut own = match source {
            Source::Filled(fillings) => target.filled(model, &table, &fillings[index])?,
            Source::Table(Reach::Near) => {
                let mut own = target.neighbours(model, &table);
                own.extend(target.other_characters(model, &table));
                own
            }
            Source::Table(Reach::Everything) => {
                let mut own = target.whole_words(model, &table);
                own.extend(target.two_characters(model, &table));
                own
            }
        };
        own.sort_by(|a, b| b.gain.total_cmp(&a.gain));
        own.dedup_by(|a, b| a.to == b.to);
        own.truncate(source.per_word());
        all.append(&mut own);
    }
    all.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    Ok(all)
}

impl Target<'_> {
    /// Returns the whole words of the vocabulary whose embeddings have the highest cosine with that
    /// of this word, the mean over its tokens.
    fn neighbours(&self, model: &Model, table: &WordEmbeddings<'_>) -> Vec<Replacement> {
        let own = self.mean(table);
        let mut near: Vec<(f64, u32, &String)> = self
            .suitable(model)
            .map(|(id, word)| (cosine(&own, table.of(*id)), *id, word))
            .collect();
        if near.len() > NEIGHBOURS {
            near.select_nth_unstable_by(NEIGHBOURS, |a, b| b.0.total_cmp(&a.0));
            near.truncate(NEIGHBOURS);
        }
        near.into_iter().map(|(_, id, word)| self.replacement(table, word, &[id])).collect()
    }

    fn whole_words(&self, model: &Model, table: &WordEmbeddings<'_>) -> Vec<Replacement> {
        self.suitable(model).map(|(id, word)| self.replacement(table, word, &[*id])).collect()
    }

    fn suitable<'m>(&self, model: &'m Model) -> impl Iterator<Item = &'m (u32, String)> {
        model.text.whole_words().iter().filter(|(_, word)| self.suits(word))
    }

    /// Returns dictionary words of two characters, made of those with the highest gain at each
    /// position. Only for Chinese words with one token per character.
    fn two_characters(&self, model: &Model, table: &WordEmbeddings<'_>) -> Vec<Replacement> {
        let is_chinese = self.unit.text.chars().all(is_han);
        if !is_chinese || self.unit.text.chars().count() != self.ids.len() {
            return Vec::new();
        }
        let singles: Vec<&(u32, String)> =
            self.suitable(model).filter(|(_, word)| word.chars().count() == 1).collect();
        let best_at = |position: usize| {
            let gain = |id: u32| along(self.gradient_at(position), table.of(id));
            let mut all: Vec<_> = singles.iter().map(|(id, word)| (gain(*id), *id, word)).collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0));
            all.truncate(CHARACTERS);
            all
        };
        let (first, second) = (best_at(0), best_at(1));
        let mut found = Vec::new();
        for (_, a, start) in &first {
            for (_, b, end) in &second {
                let word = format!("{start}{end}");
                if word != self.unit.text && is_chinese_word(&word) {
                    found.push(self.replacement(table, &word, &[*a, *b]));
                }
            }
        }
        found
    }

    /// Returns the gradient at a position of the new word; the last one for positions beyond this
    /// word.
    fn gradient_at(&self, position: usize) -> &[f64] {
        self.gradients[position.min(self.gradients.len() - 1)]
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
    /// fewer tokens, `e'_t` is zero for the rest; if it has more, they take the last gradient.
    fn replacement(&self, table: &WordEmbeddings<'_>, word: &str, ids: &[u32]) -> Replacement {
        let sum = |ids: &[u32]| -> f64 {
            let tokens = ids.iter().enumerate();
            tokens.map(|(position, &id)| along(self.gradient_at(position), table.of(id))).sum()
        };
        let gain = sum(ids) - sum(&self.ids);
        Replacement { word: self.index, to: words::cased(word, &self.unit.text), gain }
    }
}

fn along(gradient: &[f64], embedding: &[f32]) -> f64 {
    gradient.iter().zip(embedding).map(|(g, x)| g * f64::from(*x)).sum()
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
