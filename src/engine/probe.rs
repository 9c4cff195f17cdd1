//! A short text to test a model with.

use crate::blocks::Pooling;
use crate::error::Result;
use crate::model::Model;
use crate::rows::{Output, Row, Scalar};
use crate::script::Script;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// Returns the row of a forward pass of a few tokens.
pub fn row(model: &Model) -> Result<Row> {
    row_of(model, text(model).to_owned())
}

/// Returns the row of a forward pass of a text of about `tokens` tokens, or as many as the model
/// reads.
pub fn long(model: &Model, tokens: usize) -> Result<Row> {
    // Each repetition is at least two tokens.
    let text = format!("{} ", text(model)).repeat(tokens.min(model.text.max_tokens).div_ceil(2));
    row_of(model, text)
}

/// Returns a scalar that every head has.
pub fn scalar(model: &Model) -> Scalar {
    match model.pooling() {
        Pooling::Tokens => Scalar::one(Output::Logit, 0),
        Pooling::Whole(_) => Scalar::Highest(Output::Logit),
    }
}

fn text(model: &Model) -> &'static str {
    // A Chinese text also loads the word segmentation dictionary.
    match model.script {
        Some(Script::Han) => "预热",
        Some(Script::Latin) | None => "warm up",
    }
}

fn row_of(model: &Model, text: String) -> Result<Row> {
    let input = Input { text, ..Input::default() };
    let encoding = model.encode(&input, Truncate::Yes)?;
    let output_tokens: &[usize] = match model.pooling() {
        Pooling::Tokens => &[0],
        Pooling::Whole(_) => &[],
    };
    Ok(Row::forward(encoding.ids, output_tokens.into()))
}
