//! Texts as vectors: how similar two are, and which of their tokens make them so.

use std::sync::Arc;

use super::{Behaviour, Read, unsuited};
use crate::blocks::Pooling;
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
    let matrix = (model.pooling() == Pooling::Mean)
        .then(|| token_by_token(&text.states, &pair.states, a.len(), sizes));
    Similarity {
        embedding: a.clone(),
        pair: Some(PairSimilarity { embedding: b.clone(), cosine: dot(a, b) / sizes, matrix }),
    }
}

/// With embeddings that are means of states h, the cosine is the sum over pairs
/// of tokens of `h h' / (n n' |u| |u'|)`.
fn token_by_token(a: &[f64], b: &[f64], width: usize, sizes: f64) -> Vec<Vec<f64>> {
    let pairs = (a.len() / width) * (b.len() / width);
    let share = 1. / (pairs as f64 * sizes);
    let row = |h: &[f64]| b.chunks(width).map(|other| share * dot(h, other)).collect();
    a.chunks(width).map(row).collect()
}
