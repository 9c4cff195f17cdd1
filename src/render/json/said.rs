//! What a model says of one input, by its task.

use serde::Serialize;
use utoipa::ToSchema;

use super::Nested;
use crate::explanation as plain;

/// Its fields stand beside the others of a result.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Said {
    /// Text classification, pairs, next sentence prediction.
    Labels {
        /// Best first.
        predictions: Vec<Prediction>,
    },
    /// Token classification.
    Tokens {
        /// A list for each token, best first.
        predictions: Vec<Vec<Prediction>>,
        /// Tokens of one label put together, as `aggregation` says.
        entities: Vec<Entity>,
    },
    /// Question answering.
    Answer {
        answer: BestAnswer,
        /// The best ones, as many as `top_k` asks for, best first.
        answers: Vec<Answer>,
        /// Where it may start: the tokens that compete.
        start: Vec<TokenScore>,
        end: Vec<TokenScore>,
    },
    /// A masked language model.
    Masks { masks: Vec<Mask> },
    /// An encoder of texts.
    Similarity { similarity: Similarity },
}

/// The score of one label.
#[derive(Serialize, ToSchema)]
pub struct Prediction {
    pub label: String,
    pub index: usize,
    /// Of a piece of the vocabulary, which is its own `label`: the same as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_str: Option<String>,
    pub logit: f32,
    pub probability: f32,
}

/// Tokens of one label, side by side.
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

/// The best answer, and how sure it is that there is none.
#[derive(Serialize, ToSchema)]
pub struct BestAnswer {
    #[serde(flatten)]
    answer: Answer,
    /// Where `handle_impossible_answer` is on: the product of the first token's probabilities
    /// as start and as end.
    #[serde(skip_serializing_if = "Option::is_none")]
    null_score: Option<f32>,
}

/// A part of `text_pair`, in code points; an empty one says that there is no answer.
#[derive(Clone, Serialize, ToSchema)]
pub struct Answer {
    text: String,
    start: usize,
    end: usize,
    probability: f32,
    start_token: usize,
    end_token: usize,
}

/// One token's score.
#[derive(Serialize, ToSchema)]
pub struct TokenScore {
    token: usize,
    logit: f32,
    probability: f32,
}

/// What a masked token may be: the ten best pieces.
#[derive(Serialize, ToSchema)]
pub struct Mask {
    token: usize,
    predictions: Vec<Prediction>,
}

/// Texts as vectors.
#[derive(Serialize, ToSchema)]
pub struct Similarity {
    /// Of `text`.
    embedding: Vec<f32>,
    /// Of `text_pair`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_pair: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f32>,
    /// What each token of `text` and each of `text_pair` add to the cosine
    /// together; where texts are embedded as the mean of their tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Vec<f32>>)]
    matrix: Option<Nested>,
}

impl From<plain::Predicted> for Said {
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
