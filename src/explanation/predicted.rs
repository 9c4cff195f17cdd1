//! Predictions of a model.

/// What a model predicts for one input, by its task.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicted {
    /// Every label's score, best first.
    Labels(Vec<Prediction>),
    /// The label scores of each token, and the entities that they form.
    Tokens {
        predictions: Vec<Vec<Prediction>>,
        entities: Vec<Entity>,
    },
    /// A span of the second text, and the scores of where it starts and ends.
    Answer {
        answer: FoundAnswer,
        /// The next best answers, best first.
        others: Vec<FoundAnswer>,
        /// Score of there being no answer, if that was considered.
        null_score: Option<f64>,
        start: Vec<TokenScore>,
        end: Vec<TokenScore>,
    },
    /// The best vocabulary entries for each mask, best first.
    Masks(Vec<MaskPrediction>),
    Similarity(Similarity),
}

impl Predicted {
    /// Maps all token positions by `map`.
    pub fn with_tokens(mut self, map: impl Fn(usize) -> usize) -> Self {
        match &mut self {
            Self::Labels(_) | Self::Similarity(_) => {}
            Self::Tokens { entities, .. } => {
                let tokens = entities.iter_mut().flat_map(|entity| &mut entity.tokens);
                tokens.for_each(|token| *token = map(*token));
            }
            Self::Answer { answer, others, null_score: _, start, end } => {
                for answer in std::iter::once(answer).chain(others) {
                    *answer = answer.with_tokens(&map);
                }
                start.iter_mut().chain(end).for_each(|score| score.token = map(score.token));
            }
            Self::Masks(masks) => masks.iter_mut().for_each(|mask| mask.token = map(mask.token)),
        }
        self
    }
}

/// Adjacent tokens with the same label.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    pub label: String,
    pub probability: f64,
    pub text: String,
    /// In code points.
    pub start: usize,
    pub end: usize,
    pub tokens: Vec<usize>,
    pub segment: usize,
}

/// An answer to a question: a span of the second text. If there is no answer, it is an empty span
/// at the first token.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundAnswer {
    pub text: String,
    /// In code points of the second text.
    pub start: usize,
    pub end: usize,
    pub probability: f64,
    pub start_token: usize,
    pub end_token: usize,
}

impl FoundAnswer {
    /// Maps the token positions by `map`.
    pub fn with_tokens(&self, map: impl Fn(usize) -> usize) -> Self {
        let (start_token, end_token) = (map(self.start_token), map(self.end_token));
        Self { start_token, end_token, ..self.clone() }
    }
}

/// One token's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    pub token: usize,
    pub logit: f64,
    pub probability: f64,
}

/// The predictions for a masked token.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPrediction {
    pub token: usize,
    pub predictions: Vec<Prediction>,
}

/// Embeddings of texts, and their similarity.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarity {
    pub embedding: Vec<f64>,
    /// Set if there are two texts.
    pub pair: Option<PairSimilarity>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PairSimilarity {
    pub embedding: Vec<f64>,
    pub cosine: f64,
    /// What each pair of tokens adds to the cosine, `[tokens, tokens of the pair]`. Set if texts
    /// are embedded as the mean of their tokens.
    pub matrix: Option<Vec<Vec<f64>>>,
}

/// The score of one label.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub index: usize,
    pub label: String,
    /// The text of a vocabulary entry, whose label is its raw token.
    pub decoded: Option<String>,
    pub logit: f64,
    pub probability: f64,
}
