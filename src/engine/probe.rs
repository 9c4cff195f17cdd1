//! A short text to test a model with.

use crate::blocks::Pooling;
use crate::error::Result;
use crate::model::Model;
use crate::rows::Row;
use crate::script::Script;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// Returns the row of a forward pass of a few tokens.
pub fn row(model: &Model) -> Result<Row> {
    // A Chinese text also loads the word segmentation dictionary.
    let text = match model.script {
        Some(Script::Han) => "预热",
        Some(Script::Latin) | None => "warm up",
    };
    let input = Input { text: text.to_owned(), ..Input::default() };
    let encoding = model.encode(&input, Truncate::Yes)?;
    let output_tokens: &[usize] = match model.pooling() {
        Pooling::Tokens => &[0],
        Pooling::Whole(_) => &[],
    };
    Ok(Row::forward(encoding.ids, output_tokens.into()))
}
