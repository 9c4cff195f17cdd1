//! How large an answer will be at least, before any of it is computed.

use super::{Checked, Reading};
use crate::attention::Wished;
use crate::attribution::Granularity;
use crate::config::Limits;
use crate::error::{Code, Error, Result};
use crate::tasks;
use crate::text::Encoding;

/// Bytes that a number takes in the densest form of an answer.
const NUMBER: usize = 4;

/// Refuses an answer that would be too large to send in any form.
pub fn check(read: &Checked, limits: &Limits) -> Result<()> {
    check_attention(read, limits.attention_values)?;
    let numbers = scores(read);
    if numbers.saturating_mul(NUMBER) <= limits.response_bytes {
        return Ok(());
    }
    let detail = format!(
        "the scores asked for are {numbers} numbers, and at most {} bytes are sent; ask for fewer \
         inputs, methods, granularities or targets at once",
        limits.response_bytes
    );
    Err(Error::new(Code::ResponseTooLarge, detail).at("/methods"))
}

fn check_attention(read: &Checked, limit: usize) -> Result<()> {
    let per_square = read.wished.as_ref().map_or(0, Wished::matrices);
    let encodings = read.readings.iter().flatten().flat_map(Reading::shown);
    let squares = encodings.map(|encoding| encoding.tokens.len().pow(2));
    let values = per_square.saturating_mul(squares.sum::<usize>());
    if values <= limit {
        return Ok(());
    }
    let detail = format!(
        "the attention asked for is {values} numbers and at most {limit} are sent; select layers \
         and heads, heads: \"mean\", or send fewer inputs"
    );
    Err(Error::new(Code::ResponseTooLarge, detail).at("/attention"))
}

/// Scores of all methods, targets and units.
fn scores(read: &Checked) -> usize {
    let question = &read.question;
    let of_input = |reading: &Reading| {
        let Some(whole) = reading.whole() else { return 0 };
        let targets = tasks::most(question, whole);
        let units: usize = question.granularity.iter().map(|unit| count(whole, *unit)).sum();
        let units = units + whole.spans.len();
        question.methods.len().saturating_mul(targets).saturating_mul(units)
    };
    read.readings.iter().flatten().map(of_input).fold(0, usize::saturating_add)
}

fn count(encoding: &Encoding, unit: Granularity) -> usize {
    match unit {
        Granularity::Token => encoding.tokens.len(),
        Granularity::Word => encoding.words.len(),
        Granularity::Sentence => encoding.sentences.len(),
        Granularity::Span => encoding.spans.len(),
    }
}
