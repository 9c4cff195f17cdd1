//! Limits the size of answers before they are computed.

use super::{Checked, TokenizedInput};
use crate::attention::ResolvedSelection;
use crate::attribution::{Granularity, MethodEntry, Options, PairsOf, perturbation};
use crate::config::Limits;
use crate::error::{Code, Error, Result};
use crate::explanation::Question;
use crate::inside;
use crate::tasks;
use crate::text::Encoding;

/// Bytes per number in the most compact response format.
const BYTES_PER_NUMBER: usize = 4;

/// Fails if the answer would be too large in every response format.
pub fn check(checked: &Checked, limits: &Limits) -> Result<()> {
    check_attention(checked, limits.attention_values)?;
    for input in checked.tokenized.iter().flatten() {
        inside::check_length(&checked.question, input.joint_tokens(&checked.question))?;
    }
    check_pairs(checked)?;
    let numbers = scores(checked);
    if numbers.saturating_mul(BYTES_PER_NUMBER) <= limits.response_bytes {
        return Ok(());
    }
    let detail = format!(
        "the response would have {numbers} scores, and a response has at most {} bytes; request \
         fewer inputs, methods, granularities or targets at once",
        limits.response_bytes
    );
    Err(Error::new(Code::ResponseTooLarge, detail).at("/methods"))
}

fn check_attention(checked: &Checked, limit: usize) -> Result<()> {
    let per_square = checked.attention_selection.as_ref().map_or(0, ResolvedSelection::matrices);
    let encodings = checked.tokenized.iter().flatten().flat_map(TokenizedInput::shown);
    let squares = encodings.map(|encoding| encoding.tokens.len().pow(2));
    let values = per_square.saturating_mul(squares.sum::<usize>());
    if values <= limit {
        return Ok(());
    }
    let detail = format!(
        "the requested attention has {values} numbers, and a response has at most {limit}; select \
         layers and heads, set heads to \"mean\", or send fewer inputs"
    );
    Err(Error::new(Code::ResponseTooLarge, detail).at("/attention"))
}

/// Fails if a method that scores all pairs of units would have too many of them.
fn check_pairs(checked: &Checked) -> Result<()> {
    for (index, (method, options)) in checked.question.methods.iter().enumerate() {
        let PairsOf::AllUnits { most } = method.pairs else { continue };
        let kind = options.choice(perturbation::UNIT.name);
        let encodings = checked.tokenized.iter().flatten().flat_map(TokenizedInput::encodings);
        let units = encodings.map(|encoding| perturbation::units(encoding, kind).len());
        if let Some(units) = units.max().filter(|units| *units > most) {
            let detail = format!(
                "{} finds pairs among at most {most} units, and an input has {units}; choose larger \
                 units (word, sentence, or span with your own spans) or a shorter text",
                method.name
            );
            let pointer = format!("/methods/{index}/{}", perturbation::UNIT.name);
            return Err(Error::field(pointer, detail));
        }
    }
    Ok(())
}

/// Returns the number of scores of all methods, targets and units.
fn scores(checked: &Checked) -> usize {
    let question = &checked.question;
    let of_input = |input: &TokenizedInput| {
        let Some(whole) = input.whole() else { return 0 };
        let targets = tasks::most(question, whole);
        let units: usize = question.granularity.iter().map(|unit| count(whole, *unit)).sum();
        let units = units + whole.spans.len();
        // Methods that sample have as many standard errors.
        let sampled = question.methods.iter().filter(|(method, _)| method.samples()).count();
        let lists = question.methods.len() + sampled;
        let of_methods = lists.saturating_mul(targets).saturating_mul(units);
        let of_methods = of_methods.saturating_add(pairs(question, whole).saturating_mul(targets));
        of_methods.saturating_add(inside::numbers(question, whole.tokens.len()))
    };
    checked.tokenized.iter().flatten().map(of_input).fold(0, usize::saturating_add)
}

/// Returns how many numbers the methods' pairs of units have for one target.
fn pairs(question: &Question, of: &Encoding) -> usize {
    let separate = of.separate_pair.as_deref();
    let units = |options: &Options| {
        let kind = options.choice(perturbation::UNIT.name);
        let count = |encoding| perturbation::units(encoding, kind).len();
        count(of) + separate.map_or(0, count)
    };
    let of_method = |(method, options): &(&MethodEntry, Options)| match method.pairs {
        PairsOf::None => 0,
        pairs => pairs.numbers(units(options)),
    };
    question.methods.iter().map(of_method).fold(0, usize::saturating_add)
}

fn count(encoding: &Encoding, unit: Granularity) -> usize {
    match unit {
        Granularity::Token => encoding.tokens.len(),
        Granularity::Word => encoding.words.len(),
        Granularity::Sentence => encoding.sentences.len(),
        Granularity::Span => encoding.spans.len(),
    }
}
