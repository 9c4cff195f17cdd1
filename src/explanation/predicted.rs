//! What a model says of one input, by its task.

/// What a model says of one input, by its task.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicted {
    /// Every label's score, best first.
    Labels(Vec<Prediction>),
    /// The same for each token, and what they make up together.
    Tokens {
        predictions: Vec<Vec<Prediction>>,
        entities: Vec<Entity>,
    },
    /// A part of the second text, and where it may start and end.
    Answer {
        answer: FoundAnswer,
        /// The next best ones, best first.
        others: Vec<FoundAnswer>,
        /// How sure it is that there is no answer, where that was considered.
        null_score: Option<f64>,
        start: Vec<TokenScore>,
        end: Vec<TokenScore>,
    },
    /// The best pieces for each mask, best first.
    Masks(Vec<MaskPrediction>),
    Similarity(Similarity),
}

impl Predicted {
    /// The same with tokens called by other numbers.
    pub fn with_tokens(mut self, number: impl Fn(usize) -> usize) -> Self {
        match &mut self {
            Self::Labels(_) | Self::Similarity(_) => {}
            Self::Tokens { entities, .. } => {
                let tokens = entities.iter_mut().flat_map(|entity| &mut entity.tokens);
                tokens.for_each(|token| *token = number(*token));
            }
            Self::Answer { answer, others, null_score: _, start, end } => {
                for answer in std::iter::once(answer).chain(others) {
                    *answer = answer.with_tokens(&number);
                }
                start.iter_mut().chain(end).for_each(|score| score.token = number(score.token));
            }
            Self::Masks(masks) => masks.iter_mut().for_each(|mask| mask.token = number(mask.token)),
        }
        self
    }
}

/// Tokens of one label, side by side.
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

/// An answer to a question: a part of the second text, or that it has none, which is an
/// empty part at the first token.
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
    /// The same with tokens called by other numbers.
    pub fn with_tokens(&self, number: impl Fn(usize) -> usize) -> Self {
        let (start_token, end_token) = (number(self.start_token), number(self.end_token));
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

/// What a masked token may be.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPrediction {
    pub token: usize,
    pub predictions: Vec<Prediction>,
}

/// Texts as vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarity {
    pub embedding: Vec<f64>,
    /// Where there are two texts.
    pub pair: Option<PairSimilarity>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PairSimilarity {
    pub embedding: Vec<f64>,
    pub cosine: f64,
    /// What each pair of tokens adds to the cosine, `[tokens, tokens of the
    /// pair]`; where texts are embedded as the mean of their tokens.
    pub matrix: Option<Vec<Vec<f64>>>,
}

/// The score of one label.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub index: usize,
    pub label: String,
    /// Of a piece of the vocabulary, which is its own label: the same as text.
    pub decoded: Option<String>,
    pub logit: f64,
    pub probability: f64,
}
