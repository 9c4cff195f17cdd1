//! Text embeddings: the similarity of two texts, and the tokens that contribute to it.

use std::sync::Arc;

use super::{Behaviour, ModelOutput, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{
    PairSimilarity, Predicted, Question, Resolved, ScalarName, Similarity, Target,
};
use crate::model::Model;
use crate::rows::{RowOutput, Scalar, dot, norm};
use crate::text::Encoding;

pub struct Embeddings;

impl Behaviour for Embeddings {
    fn check(&self, target: &Target, model: &Model) -> Result<()> {
        match target {
            Target::Predicted | Target::All => Ok(()),
            Target::Class { .. } | Target::Contrast { .. } | Target::SpanBoundary { .. } => {
                Err(unsuited(model, "it explains the cosine of two texts", "/target"))
            }
        }
    }

    fn reads(&self, _encoding: &Encoding, _model: &Model) -> Result<Arc<[usize]>> {
        Ok([].into())
    }

    fn predicted(&self, _question: &Question, outputs: &ModelOutput<'_>) -> Result<Predicted> {
        let embedding = outputs.output.logits.clone();
        Ok(Predicted::Similarity(Similarity { embedding, pair: None }))
    }

    /// Fails: similarity needs two texts. The texts of a pair are embedded separately, elsewhere.
    fn resolve(&self, _question: &Question, _outputs: &ModelOutput<'_>) -> Result<Vec<Resolved>> {
        let detail = "the similarity of two texts is explained: send text_pair; POST /predict \
                      embeds one text";
        Err(Error::new(Code::InputEmpty, detail))
    }

    /// One scalar per text.
    fn most(&self, _target: &Target, _model: &Model, _encoding: &Encoding) -> usize {
        2
    }
}

/// Returns the cosine similarity with the embedding in `other`, as a scalar of text number
/// `segment`.
pub fn cosine_with(other: &RowOutput, segment: usize) -> Resolved {
    let scalar = Scalar::Cosine(other.logits.clone().into());
    Resolved { token: None, what: ScalarName::Cosine(segment), scalar }
}

/// Returns the similarity of two texts, given their outputs with final states.
pub fn similarity(model: &Model, text: &RowOutput, pair: &RowOutput) -> Similarity {
    let (matrix, cosine) = (token_by_token(model, [text, pair]), cosine(text, pair));
    Similarity {
        embedding: text.logits.clone(),
        pair: Some(PairSimilarity { embedding: pair.logits.clone(), cosine, matrix }),
    }
}

/// Returns the cosine of the embeddings of two texts.
pub fn cosine(text: &RowOutput, pair: &RowOutput) -> f64 {
    let (a, b) = (&text.logits, &pair.logits);
    dot(a, b) / (norm(a) * norm(b))
}

/// Splits the cosine by pairs of tokens. With embeddings `u = Σ w h`, weighted means of states, it
/// is the sum of `w w' h h' / (|u| |u'|)`.
fn token_by_token(model: &Model, texts: [&RowOutput; 2]) -> Option<Vec<Vec<f64>>> {
    let width = model.outputs();
    let weighted = |text: &RowOutput| -> Option<Vec<Vec<f64>>> {
        let states = text.states.chunks(width);
        let weights = model.mean_weights(states.len())?;
        let weighted = |(h, w): (&[f64], f64)| h.iter().map(|h| w * h).collect();
        Some(states.zip(weights).map(weighted).collect())
    };
    let [a, b] = [weighted(texts[0])?, weighted(texts[1])?];
    let length = |states: &[Vec<f64>]| {
        let sum = |column: usize| states.iter().map(|h| h[column]).sum::<f64>();
        norm(&(0..width).map(sum).collect::<Vec<f64>>())
    };
    let scale = 1. / (length(&a) * length(&b));
    let row = |h: &Vec<f64>| b.iter().map(|other| scale * dot(h, other)).collect();
    Some(a.iter().map(row).collect())
}
