//! Inputs with some of their units taken away: what every method and measure
//! that asks "what if this were not there" runs.

use std::sync::Arc;

use super::options::{OptionKind, OptionSpec, Preset};
use super::{Options, Subject};
use crate::blocks::Pooling;
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::rows::{Row, Scalar, Want};
use crate::text::{Encoding, Unit as TextUnit};

/// What is taken away at once.
pub const UNIT: OptionSpec = OptionSpec {
    name: "unit",
    kind: OptionKind::Choice(&["token", "word", "sentence", "span"]),
    default: Preset::Name("word"),
    help: "What is taken away together: each token by itself, or the tokens of a word, a \
           sentence, or one of the input's own spans. A unit's score is spread evenly over its \
           tokens; what is in no unit has 0.",
};

/// How.
pub const REPLACEMENT: OptionSpec = OptionSpec {
    name: "replacement",
    kind: OptionKind::Choice(&["mask", "pad", "remove"]),
    default: Preset::Name("mask"),
    help: "mask and pad put that token in each place, positions and token types stay the \
           input's; remove takes the tokens out and closes the gap. Of a model that answers for \
           each token, the unit of the target's own is never removed and has 0.",
};

/// What a token that is away becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    Token(u32),
    Removed,
}

impl Replacement {
    /// The one called `name`. A model without that token cannot do it.
    pub fn of(name: &str, model: &Model) -> Result<Self> {
        Ok(match name {
            "remove" => Self::Removed,
            "pad" => Self::Token(model.text.pad()?),
            _ => Self::Token(model.text.mask()?),
        })
    }
}

/// The units of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// The tokens of each.
    pub tokens: Vec<Vec<usize>>,
    /// How many tokens the input has.
    total: usize,
}

impl Units {
    /// Scores of units as scores of tokens, which add up to them.
    pub fn spread(&self, units: &[f64]) -> Vec<f64> {
        let mut scores = vec![0.; self.total];
        for (tokens, score) in self.tokens.iter().zip(units) {
            for &token in tokens {
                scores[token] = score / tokens.len() as f64;
            }
        }
        scores
    }
}

/// One input, its units, and what becomes of those that are away.
pub struct Perturbation<'a> {
    subject: Subject<'a>,
    model: &'a Model,
    units: Arc<Units>,
    /// The unit of each token.
    unit_of: Vec<Option<usize>>,
    replacement: Replacement,
}

impl<'a> Perturbation<'a> {
    /// By a method's options.
    pub fn by(model: &'a Model, subject: Subject<'a>, options: &Options) -> Result<Self> {
        let placed = |error: Error| match error.code {
            Code::InvalidField => error.at(format!("/{}", REPLACEMENT.name)),
            _ => error,
        };
        let replacement = Replacement::of(options.name(REPLACEMENT.name), model).map_err(placed)?;
        let units = units(subject.encoding, options.name(UNIT.name));
        let perturbation = Self::new(model, subject, units, replacement);
        if perturbation.count() == 0 {
            let detail = "the input has no such unit that can go; give spans, or name another";
            return Err(Error::field(format!("/{}", UNIT.name), detail));
        }
        Ok(perturbation)
    }

    pub fn new(
        model: &'a Model,
        subject: Subject<'a>,
        mut units: Vec<Vec<usize>>,
        replacement: Replacement,
    ) -> Self {
        if replacement == Replacement::Removed && *model.pooling() == Pooling::Tokens {
            let queries = |scalar| subject.queries(scalar, model);
            let own: Vec<usize> = subject.scalars.iter().flat_map(queries).collect();
            units.retain(|tokens| !tokens.iter().any(|token| own.contains(token)));
        }
        let mut unit_of = vec![None; subject.encoding.tokens.len()];
        for (number, tokens) in units.iter().enumerate() {
            tokens.iter().for_each(|&token| unit_of[token] = Some(number));
        }
        let units = Arc::new(Units { tokens: units, total: subject.encoding.tokens.len() });
        Self { subject, model, units, unit_of, replacement }
    }

    /// How many units there are.
    pub fn count(&self) -> usize {
        self.units.tokens.len()
    }

    pub fn units(&self) -> &Arc<Units> {
        &self.units
    }

    /// The row that gives every scalar's value where only the units that `present`
    /// says are there.
    pub fn row(&self, present: impl Fn(usize) -> bool) -> Row {
        let stays = |token: usize| self.unit_of[token].is_none_or(&present);
        match self.replacement {
            Replacement::Token(id) => self.replaced(id, stays),
            Replacement::Removed => self.removed(stays),
        }
    }

    fn replaced(&self, id: u32, stays: impl Fn(usize) -> bool) -> Row {
        let tokens = &self.subject.encoding.ids;
        let ids = tokens.input_ids.iter().enumerate();
        let ids = ids.map(|(token, &own)| if stays(token) { own } else { id }).collect();
        let row = self.subject.row(Want::Values(self.subject.scalars.to_vec()));
        Row { tokens: Arc::new(tokens.with_ids(ids)), ..row }
    }

    fn removed(&self, stays: impl Fn(usize) -> bool) -> Row {
        let tokens = &self.subject.encoding.ids;
        let mut left: Vec<usize> = (0..tokens.len()).filter(|&token| stays(token)).collect();
        if left.is_empty() {
            // A sequence of nothing is none.
            left.push(0);
        }
        let of = |ids: &[u32]| left.iter().map(|&token| ids[token]).collect();
        let now = self.model.text.tokens(of(&tokens.input_ids), of(&tokens.token_type_ids));
        // Reads that are gone are read no more, and the others have other numbers.
        let place = |token: usize| left.binary_search(&token).ok();
        let number = |read: &usize| {
            self.subject.reads[..*read].iter().filter(|&&t| place(t).is_some()).count()
        };
        let reads: Vec<usize> =
            self.subject.reads.iter().filter_map(|&token| place(token)).collect();
        let width = self.model.outputs();
        let moved = |scalar: &Scalar| match scalar {
            Scalar::Sum { output, terms } if !self.subject.reads.is_empty() => Scalar::Sum {
                output: *output,
                terms: terms
                    .iter()
                    .map(|&(i, weight)| (number(&(i / width)) * width + i % width, weight))
                    .collect(),
            },
            other => other.clone(),
        };
        let scalars = self.subject.scalars.iter().map(moved).collect();
        let row = self.subject.row(Want::Values(scalars));
        Row { tokens: Arc::new(now), reads: reads.into(), ..row }
    }
}

/// The tokens of each unit called `name`; none without tokens.
pub fn units(encoding: &Encoding, name: &str) -> Vec<Vec<usize>> {
    let of = |units: &[TextUnit]| units.iter().map(|unit| unit.tokens.clone()).collect();
    let units: Vec<Vec<usize>> = match name {
        "token" => {
            let content = (0..encoding.tokens.len()).filter(|&token| encoding.is_content(token));
            content.map(|token| vec![token]).collect()
        }
        "sentence" => of(&encoding.sentences),
        "span" => encoding.spans.iter().map(|span| span.unit.tokens.clone()).collect(),
        _ => of(&encoding.words),
    };
    units.into_iter().filter(|tokens| !tokens.is_empty()).collect()
}
