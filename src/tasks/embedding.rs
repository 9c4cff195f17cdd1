//! Texts as vectors: how similar two are, and which of their tokens make them so.

use std::sync::Arc;

use super::{Behaviour, Read, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{PairSimilarity, Predicted, Question, Resolved, Similarity, Target, What};
use crate::model::Model;
use crate::rows::{RowOutput, Scalar, dot, norm};
use crate::text::Encoding;

pub struct Embeddings;

impl Behaviour for Embeddings {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        match target {
            Target::Predicted | Target::All => Ok(()),
            Target::Class { .. } | Target::Contrast { .. } | Target::Border { .. } => {
                Err(unsuited(model, "what is explained is the cosine of two texts", "/target"))
            }
        }
    }

    fn reads(&self, _encoding: &Encoding, _model: &Model) -> Result<Arc<[usize]>> {
        Ok([].into())
    }

    fn predicted(&self, _question: &Question, read: &Read<'_>) -> Result<Predicted> {
        let embedding = read.output.logits.clone();
        Ok(Predicted::Similarity(Similarity { embedding, pair: None }))
    }

    /// Pairs do not come here: their texts are read apart.
    fn resolve(&self, _question: &Question, _read: &Read<'_>) -> Result<Vec<Resolved>> {
        let detail = "what is explained is how similar two texts are: give text_pair; POST \
                      /predict embeds one text";
        Err(Error::new(Code::InputEmpty, detail))
    }

    /// One for each of the two texts.
    fn most(&self, _target: &Target, _model: &Model, _encoding: &Encoding) -> usize {
        2
    }
}

/// The cosine with a text of this embedding, as a function of text number
/// `segment`.
pub fn cosine_with(other: &RowOutput, segment: usize) -> Resolved {
    let scalar = Scalar::Cosine(other.logits.clone().into());
    Resolved { token: None, what: What::Cosine(segment), scalar }
}

/// Both texts' outputs, with their final states, to what is answered.
pub fn similarity(model: &Model, text: &RowOutput, pair: &RowOutput) -> Similarity {
    let (a, b) = (&text.logits, &pair.logits);
    let sizes = norm(a) * norm(b);
    let matrix = token_by_token(model, [text, pair]);
    Similarity {
        embedding: a.clone(),
        pair: Some(PairSimilarity { embedding: b.clone(), cosine: dot(a, b) / sizes, matrix }),
    }
}

/// With embeddings that are weighted means of states, `u = Σ w h`, the cosine is the sum
/// over pairs of tokens of `w w' h h' / (|u| |u'|)`.
fn token_by_token(model: &Model, texts: [&RowOutput; 2]) -> Option<Vec<Vec<f64>>> {
    let width = model.outputs();
    let weighted = |text: &RowOutput| -> Option<Vec<Vec<f64>>> {
        let states = text.states.chunks(width);
        let weights = model.mean_weights(states.len())?;
        let weighted = |(h, w): (&[f64], f64)| h.iter().map(|h| w * h).collect();
        Some(states.zip(weights).map(weighted).collect())
    };
    let [a, b] = [weighted(texts[0])?, weighted(texts[1])?];
    let size = |states: &[Vec<f64>]| {
        let sum = |column: usize| states.iter().map(|h| h[column]).sum::<f64>();
        norm(&(0..width).map(sum).collect::<Vec<f64>>())
    };
    let share = 1. / (size(&a) * size(&b));
    let row = |h: &Vec<f64>| b.iter().map(|other| share * dot(h, other)).collect();
    Some(a.iter().map(row).collect())
}
