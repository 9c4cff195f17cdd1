//! Perturbed inputs, in which some units are replaced or removed. Shared by all methods and
//! measures that perturb the input.

use std::sync::{Arc, Mutex, PoisonError};

use super::options::{OptionKind, OptionSpec, Preset};
use super::{Options, Subject};
use crate::blocks::Pooling;
use crate::choice::{Choice, choices};
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::passes::{Memo, Passes};
use crate::random::Generator;
use crate::rows::{Precision, Row, Scalar, Want};
use crate::text::{Encoding, Unit as TextUnit};

/// The option for what is perturbed together.
pub const UNIT: OptionSpec = OptionSpec {
    name: "unit",
    kind: OptionKind::Choice(UnitKind::NAMES),
    default: Preset::Name("word"),
    help: "What is taken away together: each token by itself, or the tokens of a word, a sentence, \
           or one of the input's own spans. A unit's score is spread evenly over its tokens; \
           tokens in no unit score 0.",
};

/// The option for how units are taken away.
pub const REPLACEMENT: OptionSpec = OptionSpec {
    name: "replacement",
    kind: OptionKind::Choice(ReplacementKind::NAMES),
    default: Preset::Name("mask"),
    help: "mask and pad replace each token by that special token, and keep positions and token \
           types; remove takes the tokens out and closes the gap. For a model with an output per \
           token, the unit with the target's token is never removed and scores 0.",
};

choices! {
    /// Which tokens are removed together.
    pub enum UnitKind { Token = "token", Word = "word", Sentence = "sentence", Span = "span" }
}

choices! {
    /// How tokens are removed.
    pub enum ReplacementKind { Mask = "mask", Pad = "pad", Remove = "remove" }
}

/// What becomes of the tokens of an absent unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    Token(u32),
    Removed,
}

impl Replacement {
    /// Returns the replacement called `name`. Fails if the model has no such token.
    pub fn of(kind: ReplacementKind, model: &Model) -> Result<Self> {
        Ok(match kind {
            ReplacementKind::Mask => Self::Token(model.text.mask()?),
            ReplacementKind::Pad => Self::Token(model.text.pad()?),
            ReplacementKind::Remove => Self::Removed,
        })
    }
}

/// The units of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// Token positions per unit.
    pub tokens: Vec<Vec<usize>>,
    /// Number of tokens in the input.
    token_count: usize,
}

impl Units {
    /// Spreads the score of each unit evenly over its tokens. Returns `[tokens]`.
    pub fn spread(&self, units: &[f64]) -> Vec<f64> {
        let mut scores = vec![0.; self.token_count];
        for (tokens, score) in self.tokens.iter().zip(units) {
            for &token in tokens {
                scores[token] = score / tokens.len() as f64;
            }
        }
        scores
    }
}

/// Which units are present.
pub type Mask = Vec<bool>;

/// Which tokens are present, and the precision of the row that evaluates them.
type Present = (Mask, Precision);

/// The values of one subject's scalars without some tokens, which its methods and measures share.
/// Admission limits the rows of a request, and so the number of masks.
#[derive(Default)]
pub struct MaskValues {
    /// A scalar that is evaluated after the subject's, and its value at the unperturbed input.
    also: Option<(Scalar, f64)>,
    /// By which tokens are present.
    known: Mutex<Vec<(Replacement, Arc<Memo<Present>>)>>,
}

impl MaskValues {
    /// Creates values that include those of one more scalar, with `value` at the unperturbed input.
    pub fn also(scalar: Scalar, value: f64) -> Self {
        Self { also: Some((scalar, value)), ..Self::default() }
    }

    /// Returns whether the values include those of one more scalar.
    pub fn has_more(&self) -> bool {
        self.also.is_some()
    }

    fn of(&self, replacement: Replacement) -> Arc<Memo<Present>> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = all.iter().find(|(other, _)| *other == replacement) {
            return Arc::clone(known);
        }
        let known = Arc::default();
        all.push((replacement, Arc::clone(&known)));
        known
    }
}

/// An input, its units, and how absent units are replaced.
pub struct Perturbation<'a> {
    subject: Subject<'a>,
    model: &'a Model,
    units: Arc<Units>,
    /// Unit per token; `None` for tokens in no unit.
    unit_of: Vec<Option<usize>>,
    replacement: Replacement,
    known: Arc<Memo<Present>>,
}

impl<'a> Perturbation<'a> {
    /// Creates a perturbation from a method's options.
    pub fn by(model: &'a Model, subject: Subject<'a>, options: &Options) -> Result<Self> {
        Self::of(model, subject, options, units(subject.encoding, options.choice(UNIT.name)))
    }

    /// Creates a perturbation of `units`, replaced as a method's options say.
    pub fn of(
        model: &'a Model,
        subject: Subject<'a>,
        options: &Options,
        units: Vec<Vec<usize>>,
    ) -> Result<Self> {
        let locate = |error: Error| match error.code {
            Code::InvalidField => error.at(format!("/{}", REPLACEMENT.name)),
            _ => error,
        };
        let kind = options.choice(REPLACEMENT.name);
        let replacement = Replacement::of(kind, model).map_err(locate)?;
        let perturbation = Self::new(model, subject, units, replacement);
        if perturbation.count() == 0 {
            let detail = "no unit of this kind can be removed; send spans or choose another unit";
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
            let target_tokens: Vec<usize> = subject.scalars.iter().flat_map(queries).collect();
            units.retain(|tokens| !tokens.iter().any(|token| target_tokens.contains(token)));
        }
        let mut unit_of = vec![None; subject.encoding.tokens.len()];
        for (unit, tokens) in units.iter().enumerate() {
            tokens.iter().for_each(|&token| unit_of[token] = Some(unit));
        }
        let units = Arc::new(Units { tokens: units, token_count: subject.encoding.tokens.len() });
        let known = subject.mask_values.of(replacement);
        Self { subject, model, units, unit_of, replacement, known }
    }

    /// Returns the number of units.
    pub fn count(&self) -> usize {
        self.units.tokens.len()
    }

    pub fn units(&self) -> &Arc<Units> {
        &self.units
    }

    /// Returns every scalar with only the units of each mask present, `[masks][scalars]`. Runs one
    /// row per set of present tokens that no method or measure of the subject has run.
    pub async fn values(&self, passes: &Passes, masks: &[Mask]) -> Result<Vec<Vec<f64>>> {
        let mut values = self.values_and_more(passes, masks).await?;
        values.iter_mut().for_each(|values| values.truncate(self.subject.scalars.len()));
        Ok(values)
    }

    /// Like [`Self::values`], followed by the value of the scalar of [`MaskValues::also`].
    pub async fn values_and_more(&self, passes: &Passes, masks: &[Mask]) -> Result<Vec<Vec<f64>>> {
        let also = self.subject.mask_values.also.iter().map(|(_, value)| *value);
        let full: Vec<f64> = self.subject.values.iter().copied().chain(also).collect();
        let partial = self.partial(masks);
        let row = |(tokens, precision): &Present| Row {
            precision: *precision,
            ..self.of_tokens(|token| tokens[token])
        };
        let mut rest = self.known.values(passes, &partial, row).await?.into_iter();
        let value = |mask| if is_full(mask) { Some(full.clone()) } else { rest.next() };
        Ok(masks.iter().filter_map(value).collect())
    }

    /// Returns the tokens of the masks that lack a unit. Without any unit the value is a baseline's,
    /// which is served, so it has full precision.
    fn partial(&self, masks: &[Mask]) -> Vec<Present> {
        let tokens = |mask: &Mask| {
            self.unit_of.iter().map(|unit| unit.is_none_or(|unit| mask[unit])).collect()
        };
        let precision = |mask: &Mask| match mask.contains(&true) {
            true => Precision::Reduced,
            false => Precision::Full,
        };
        let partial = masks.iter().filter(|mask| !is_full(mask));
        partial.map(|mask| (tokens(mask), precision(mask))).collect()
    }

    /// Like [`Self::values`]; returns `None` if there is no time to run the rows.
    pub async fn values_in_time(
        &self,
        passes: &Passes,
        masks: &[Mask],
    ) -> Result<Option<Vec<Vec<f64>>>> {
        match self.known.missing(&self.partial(masks)) {
            missing if missing > 0 && !passes.have_time_for(missing) => Ok(None),
            _ => passes.in_time(self.values(passes, masks)).await.transpose(),
        }
    }

    /// Builds the row that evaluates every scalar with only those units for which `present` returns
    /// true.
    pub fn row(&self, present: impl Fn(usize) -> bool) -> Row {
        self.of_tokens(|token| self.unit_of[token].is_none_or(&present))
    }

    fn of_tokens(&self, keep: impl Fn(usize) -> bool) -> Row {
        match self.replacement {
            Replacement::Token(id) => self.replaced(id, keep),
            Replacement::Removed => self.removed(keep),
        }
    }

    /// Returns the scalars that a row evaluates.
    fn scalars(&self) -> impl Iterator<Item = &Scalar> {
        let also = self.subject.mask_values.also.iter().map(|(scalar, _)| scalar);
        self.subject.scalars.iter().chain(also)
    }

    fn replaced(&self, id: u32, keep: impl Fn(usize) -> bool) -> Row {
        let tokens = &self.subject.encoding.ids;
        let ids = tokens.input_ids.iter().enumerate();
        let ids = ids.map(|(token, &original)| if keep(token) { original } else { id }).collect();
        let row = self.subject.row(Want::Values(self.scalars().cloned().collect()));
        Row { tokens: Arc::new(tokens.with_ids(ids)), ..row }
    }

    fn removed(&self, keep: impl Fn(usize) -> bool) -> Row {
        let tokens = &self.subject.encoding.ids;
        let mut kept: Vec<usize> = (0..tokens.len()).filter(|&token| keep(token)).collect();
        if kept.is_empty() && !self.model.is_remote() {
            // The model cannot run an empty sequence.
            kept.push(0);
        }
        let pick = |ids: &[u32]| kept.iter().map(|&token| ids[token]).collect();
        let ids = self.model.text.tokens(pick(&tokens.input_ids), pick(&tokens.token_type_ids));
        // Removed tokens are no longer read, and the indexes of the other reads change.
        let new_position = |token: usize| kept.binary_search(&token).ok();
        let read_index = |read: &usize| {
            self.subject.reads[..*read].iter().filter(|&&t| new_position(t).is_some()).count()
        };
        let reads: Vec<usize> =
            self.subject.reads.iter().filter_map(|&token| new_position(token)).collect();
        let width = self.model.outputs();
        let renumbered = |scalar: &Scalar| match scalar {
            Scalar::Sum { output, terms } if !self.subject.reads.is_empty() => Scalar::Sum {
                output: *output,
                terms: terms
                    .iter()
                    .map(|&(i, weight)| (read_index(&(i / width)) * width + i % width, weight))
                    .collect(),
            },
            other => other.clone(),
        };
        let scalars = self.scalars().map(renumbered).collect();
        let row = self.subject.row(Want::Values(scalars));
        Row { tokens: Arc::new(ids), reads: reads.into(), ..row }
    }
}

fn is_full(mask: &Mask) -> bool {
    mask.iter().all(|present| *present)
}

/// Returns the masks that lack one unit each.
pub fn leave_one_out(units: usize) -> Vec<Mask> {
    (0..units).map(|absent| (0..units).map(|unit| unit != absent).collect()).collect()
}

/// Draws which of `units` units are present. The number of absent ones is uniform, from one to all.
pub fn random_mask(generator: &mut Generator, units: usize) -> Mask {
    let mut present = vec![true; units];
    let absent = 1 + generator.below(units);
    generator.choose(absent, units).into_iter().for_each(|unit| present[unit] = false);
    present
}

/// A unit of a text.
pub struct Place {
    /// Its index among those of its kind.
    pub index: usize,
    pub segment: usize,
    pub tokens: Vec<usize>,
}

/// Returns all units of a kind, also those without tokens. Units of tokens are those that methods may
/// perturb.
pub fn places(encoding: &Encoding, kind: UnitKind) -> Vec<Place> {
    let place = |(index, unit): (usize, &TextUnit)| Place {
        index,
        segment: unit.segment,
        tokens: unit.tokens.clone(),
    };
    match kind {
        UnitKind::Token => {
            let content = (0..encoding.tokens.len()).filter(|&token| encoding.is_content(token));
            let segment = |token: usize| encoding.tokens[token].segment;
            let place = |index| Place { index, segment: segment(index), tokens: vec![index] };
            content.map(place).collect()
        }
        UnitKind::Word => encoding.words.iter().enumerate().map(place).collect(),
        UnitKind::Sentence => encoding.sentences.iter().enumerate().map(place).collect(),
        UnitKind::Span => {
            let spans = encoding.spans.iter().map(|span| &span.unit);
            spans.enumerate().map(place).collect()
        }
    }
}

/// Returns the token positions of the units of a kind, without units that have no tokens.
pub fn units(encoding: &Encoding, kind: UnitKind) -> Vec<Vec<usize>> {
    let tokens = places(encoding, kind).into_iter().map(|place| place.tokens);
    tokens.filter(|tokens| !tokens.is_empty()).collect()
}
