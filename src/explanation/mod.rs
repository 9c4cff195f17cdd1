//! What is asked and what is answered, as plain data: no tensor, no JSON, no
//! HTTP.

mod answer;
mod attention;
mod predicted;
mod question;

pub use answer::{Answer, Explained, Explanation, UnitScores, Used, WindowPart, WindowShare};
pub use attention::{
    Attention, AttentionKind, AttentionSelection, HeadPattern, Heads, Pair, Pattern, Selection,
};
pub use predicted::{
    Entity, FoundAnswer, MaskPrediction, PairSimilarity, Predicted, Prediction, Similarity,
    TokenScore,
};
pub use question::{
    Aggregation, AnswerOptions, Border, Candidates, Choice, Class, Combine, HypothesisWords, Named,
    NoAnswer, Question, Resolved, Target, What, Window,
};
