//! The prediction for one input, by task.

use serde::Serialize;
use utoipa::ToSchema;

use super::Nested;
use crate::explanation as plain;

/// The prediction for one input. Its fields are flattened into the result.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum PredictionBody {
    /// Classification of texts and of pairs of texts, and next sentence prediction.
    Labels {
        /// Best first.
        predictions: Vec<Prediction>,
    },
    /// Token classification.
    Tokens {
        /// One list per token, best first.
        predictions: Vec<Vec<Prediction>>,
        /// Tokens grouped by label according to `aggregation`.
        entities: Vec<Entity>,
    },
    /// Question answering.
    Answer {
        answer: BestAnswer,
        /// The `top_k` best answers, best first.
        answers: Vec<Answer>,
        /// Scores of the tokens as start, and as end, of an answer.
        start: Vec<TokenScore>,
        end: Vec<TokenScore>,
    },
    /// A masked language model.
    Masks { masks: Vec<Mask> },
    /// A sentence encoder.
    Similarity { similarity: Similarity },
}

/// The scores of one label.
#[derive(Serialize, ToSchema)]
pub struct Prediction {
    pub label: String,
    pub index: usize,
    /// For a vocabulary token, which is its own `label`: the decoded text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_str: Option<String>,
    pub logit: f32,
    pub probability: f32,
}

/// Adjacent tokens with the same label.
#[derive(Serialize, ToSchema)]
pub struct Entity {
    label: String,
    probability: f32,
    text: String,
    start: usize,
    end: usize,
    tokens: Vec<usize>,
    segment: usize,
}

/// The best answer, and the score of "no answer".
#[derive(Serialize, ToSchema)]
pub struct BestAnswer {
    #[serde(flatten)]
    answer: Answer,
    /// If `handle_impossible_answer` is true: the product of the first token's probabilities as
    /// start and as end.
    #[serde(skip_serializing_if = "Option::is_none")]
    null_score: Option<f32>,
}

/// A span of `text_pair` in code points; an empty span means that there is no answer.
#[derive(Clone, Serialize, ToSchema)]
pub struct Answer {
    text: String,
    start: usize,
    end: usize,
    probability: f32,
    start_token: usize,
    end_token: usize,
}

/// The score of one token.
#[derive(Serialize, ToSchema)]
pub struct TokenScore {
    token: usize,
    logit: f32,
    probability: f32,
}

/// The ten best predictions for a masked token.
#[derive(Serialize, ToSchema)]
pub struct Mask {
    token: usize,
    predictions: Vec<Prediction>,
}

/// Embeddings of the texts and their similarity.
#[derive(Serialize, ToSchema)]
pub struct Similarity {
    /// Of `text`.
    embedding: Vec<f32>,
    /// Of `text_pair`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_pair: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f32>,
    /// Contribution to the cosine of each token of `text` (rows) with each token of `text_pair`
    /// (columns); only for mean pooling.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Vec<f32>>)]
    matrix: Option<Nested>,
}

impl From<plain::Predicted> for PredictionBody {
    fn from(predicted: plain::Predicted) -> Self {
        match predicted {
            plain::Predicted::Labels(predictions) => {
                Self::Labels { predictions: list(predictions) }
            }
            plain::Predicted::Tokens { predictions, entities } => Self::Tokens {
                predictions: predictions.into_iter().map(list).collect(),
                entities: list(entities),
            },
            plain::Predicted::Answer { answer, others, null_score, start, end } => {
                let answer = Answer::from(answer);
                let mut answers = vec![answer.clone()];
                answers.extend(others.into_iter().map(Answer::from));
                let null_score = null_score.map(|score| score as f32);
                let answer = BestAnswer { answer, null_score };
                Self::Answer { answer, answers, start: list(start), end: list(end) }
            }
            plain::Predicted::Masks(masks) => Self::Masks { masks: list(masks) },
            plain::Predicted::Similarity(similarity) => {
                Self::Similarity { similarity: similarity.into() }
            }
        }
    }
}

fn list<T: Into<U>, U>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(Into::into).collect()
}

impl From<plain::Prediction> for Prediction {
    fn from(prediction: plain::Prediction) -> Self {
        Self {
            label: prediction.label,
            index: prediction.index,
            token_str: prediction.decoded,
            logit: prediction.logit as f32,
            probability: prediction.probability as f32,
        }
    }
}

impl From<plain::Entity> for Entity {
    fn from(entity: plain::Entity) -> Self {
        let plain::Entity { label, probability, text, start, end, tokens, segment } = entity;
        Self { label, probability: probability as f32, text, start, end, tokens, segment }
    }
}

impl From<plain::FoundAnswer> for Answer {
    fn from(answer: plain::FoundAnswer) -> Self {
        let plain::FoundAnswer { text, start, end, probability, start_token, end_token } = answer;
        Self { text, start, end, probability: probability as f32, start_token, end_token }
    }
}

impl From<plain::TokenScore> for TokenScore {
    fn from(score: plain::TokenScore) -> Self {
        let (logit, probability) = (score.logit as f32, score.probability as f32);
        Self { token: score.token, logit, probability }
    }
}

impl From<plain::MaskPrediction> for Mask {
    fn from(mask: plain::MaskPrediction) -> Self {
        Self { token: mask.token, predictions: list(mask.predictions) }
    }
}

impl From<plain::Similarity> for Similarity {
    fn from(similarity: plain::Similarity) -> Self {
        let single = |vector: Vec<f64>| vector.into_iter().map(|x| x as f32).collect();
        let (mut embedding_pair, mut cosine, mut matrix) = (None, None, None);
        if let Some(pair) = similarity.pair {
            embedding_pair = Some(single(pair.embedding));
            cosine = Some(pair.cosine as f32);
            matrix = pair.matrix.map(|rows| {
                let shape = vec![rows.len(), rows.first().map_or(0, Vec::len)];
                Nested { shape, values: rows.concat() }
            });
        }
        Self { embedding: single(similarity.embedding), embedding_pair, cosine, matrix }
    }
}
