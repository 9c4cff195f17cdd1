//! Questions and answers as plain data, independent of tensors, JSON and HTTP.

mod answer;
mod attention;
mod concept;
mod evidence;
mod inside;
mod lexicon;
mod predicted;
mod question;
mod target;

pub use answer::{Answer, Explained, Explanation, UnitScores, Used, WindowPart, WindowShare};
pub use attention::{
    Attention, AttentionKind, AttentionSelection, HeadPattern, Heads, Pair, Pattern, Selection,
};
pub use concept::{Axis, Concept, ConceptLayer, Located, Place, Separation, StoredConcept, Tcav};
pub use evidence::{Found, Load, found};
pub use inside::{Ablation, Conductance, HeadImportance, Inside, Lens, View};
pub use lexicon::{Groups, Lexicon};
pub use predicted::{
    Entity, FoundAnswer, MaskPrediction, PairSimilarity, Predicted, Prediction, Similarity,
    TokenScore,
};
pub use question::{
    Aggregation, AnswerOptions, Candidates, Combine, Finder, HypothesisWords, LabelChoice,
    NoAnswer, Question, Window,
};
pub use target::{Class, Named, Resolved, ScalarName, SpanBoundary, Target};
