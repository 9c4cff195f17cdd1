//! A short text to try a model with.

use crate::blocks::Pooling;
use crate::error::Result;
use crate::model::Model;
use crate::rows::Row;
use crate::script::Script;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// A forward pass of a few tokens.
pub fn row(model: &Model) -> Result<Row> {
    // A Chinese text also reads the dictionary of Chinese words.
    let text = match model.script {
        Some(Script::Han) => "预热",
        Some(Script::Latin) | None => "warm up",
    };
    let input = Input { text: text.to_owned(), ..Input::default() };
    let encoding = model.encode(&input, Truncate::Yes)?;
    let reads: &[usize] = match model.pooling() {
        Pooling::Tokens => &[0],
        Pooling::Whole(_) => &[],
    };
    Ok(Row::forward(encoding.ids, reads.into()))
}
