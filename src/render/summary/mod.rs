//! An answer in one or two sentences, in English and in Chinese: what was predicted, the words with
//! the highest scores, and whether something speaks against trusting them. They state nothing that
//! the numbers of the answer do not.
//!
//! Texts of the input are not sanitized here: the formats that show the sentences do that.

mod chinese;
mod english;

use serde::Serialize;
use utoipa::ToSchema;

use super::columns::fitted;
use super::heat::Heat;
use crate::explanation::{Explained, Explanation, Predicted, Resolved};
use crate::heads::activation::OutputActivation;
use crate::model::Model;
use crate::text::Token;

/// Maximum number of words that are quoted for a target, and against it.
const QUOTED: usize = 3;

/// Columns of a quoted word.
const COLUMNS: usize = 40;

/// Minimum score of a quoted word, as a share of the largest.
const STRONG: f64 = 0.25;

/// The answer in one or two sentences.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Summary {
    #[schema(example = "The model predicts POSITIVE with probability 0.918.")]
    pub en: String,
    #[schema(example = "模型预测为 POSITIVE，概率 0.918。")]
    pub zh: String,
}

impl Summary {
    pub fn of(explained: &Explained, model: &Model) -> Self {
        let gist = Gist {
            predicted: &explained.predicted,
            has_probability: model.activation() != OutputActivation::None,
            strongest: explained.explanations.first().and_then(|one| Strongest::of(explained, one)),
            tokens: &explained.tokens,
            inexact: explained.explanations.iter().any(is_inexact),
            has_warnings: !explained.warnings.is_empty(),
        };
        Self { en: english::sentences(&gist), zh: chinese::sentences(&gist) }
    }
}

fn is_inexact(explanation: &Explanation) -> bool {
    explanation.converged() == Some(false)
        || explanation.sampling.is_some_and(|sampling| !sampling.finished)
}

/// What the sentences say.
struct Gist<'a> {
    predicted: &'a Predicted,
    /// Whether the outputs are probabilities, not just numbers.
    has_probability: bool,
    strongest: Option<Strongest<'a>>,
    tokens: &'a [Token],
    /// Whether some scores did not converge, or stopped early.
    inexact: bool,
    has_warnings: bool,
}

/// The words with the highest scores of the first explanation.
struct Strongest<'a> {
    method: &'static str,
    target: &'a Resolved,
    /// Whether the scores have a direction. If not, all words are `supporting`.
    signed: bool,
    supporting: Vec<String>,
    opposing: Vec<String>,
}

impl<'a> Strongest<'a> {
    /// Returns `None` if there are no scores, or only zeros.
    fn of(explained: &'a Explained, explanation: &'a Explanation) -> Option<Self> {
        let heat = Heat::all(explained, explanation).into_iter().next()?;
        let least = STRONG * heat.scale.largest;
        let mut pieces: Vec<_> = heat.pieces.iter().filter(|one| one.score != 0.).collect();
        pieces.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
        let mut found = Self {
            method: explanation.method.name,
            target: &explanation.target,
            signed: explanation.method.signed,
            supporting: Vec::new(),
            opposing: Vec::new(),
        };
        for piece in pieces.into_iter().take_while(|piece| piece.score.abs() >= least) {
            let opposes = found.signed && piece.score < 0.;
            let side = if opposes { &mut found.opposing } else { &mut found.supporting };
            let word = fitted(piece.text, COLUMNS);
            if side.len() < QUOTED && !side.contains(&word) {
                side.push(word);
            }
        }
        (!found.supporting.is_empty() || !found.opposing.is_empty()).then_some(found)
    }
}

/// Formats a probability without rounding it to certainty.
fn probability(value: f64) -> String {
    match value {
        high if (0.9995..1.).contains(&high) => "> 0.999".to_owned(),
        low if low > 0. && low < 0.0005 => "< 0.001".to_owned(),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_not_rounded_to_certainty() {
        for (value, expected) in [
            (0.918, "0.918"),
            (0.9999, "> 0.999"),
            (1., "1.000"),
            (0.0001, "< 0.001"),
            (0., "0.000"),
        ] {
            assert_eq!(probability(value), expected);
        }
    }
}
