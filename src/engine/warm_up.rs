//! The first passes of a model, before it serves.

use std::time::Instant;

use tracing::info;

use super::probe;
use crate::error::{Code, Error, Result};
use crate::model::{Model, PassError};
use crate::rows::{Precision, Reduce, Row, Want};

/// Runs a real pass, because the first one is slower, and to check that the model works. On a
/// device, also measures how many tokens fit into a pass, up to `tokens`.
pub fn run(model: &Model, tokens: usize) -> Result<()> {
    let rows = [probe::row(model)?];
    // Rows of reduced precision read other weights.
    let reduced = [Row { precision: Precision::Reduced, ..rows[0].clone() }];
    // The first pass also touches the weights for the first time, so the second one is timed.
    let first = || model.run(&reduced).and_then(|_| model.run(&rows));
    let outputs = first().and_then(|_| {
        let start = Instant::now();
        let outputs = model.run(&rows);
        model.note_pass(&rows, start.elapsed().as_secs_f64());
        outputs
    });
    let outputs = outputs.map_err(|error| fails(model, &error))?;
    if !outputs.iter().all(|output| output.is_finite()) {
        return Err(fails(model, &"the output for a short text is not finite"));
    }
    match model.placement().is_device() {
        true => fit(model, tokens),
        false => Ok(()),
    }
}

fn fails(model: &Model, reason: &dyn std::fmt::Display) -> Error {
    Error::new(Code::ModelInvalid, format!("{}: {reason}", model.id))
}

/// The longest texts of the passes that are tried. Longer ones are rare, and take more memory per
/// token.
const LONG_TEXT: usize = 512;

/// Passes of fewer tokens are not tried.
const MIN_TOKENS: usize = 16;

/// Runs a gradient pass of long texts, `most` tokens together, or half as many until there is memory
/// for it.
fn fit(model: &Model, most: usize) -> Result<()> {
    let mut tokens = most;
    while let Err(error) = model.run(&gradients(model, tokens)?) {
        match error {
            PassError::OutOfMemory(_) if tokens >= 2 * MIN_TOKENS => tokens /= 2,
            error => return Err(fails(model, &error)),
        }
    }
    if tokens < most {
        model.limit_tokens(tokens);
    }
    info!(model = model.id, tokens, "tokens of a pass");
    Ok(())
}

/// Returns gradient rows of about `tokens` tokens together.
fn gradients(model: &Model, tokens: usize) -> Result<Vec<Row>> {
    let row = probe::long(model, tokens.min(LONG_TEXT))?;
    let want = Want::Gradients(Reduce::TimesInput, vec![probe::scalar(model)]);
    let count = (tokens / row.tokens.len()).max(1);
    Ok(vec![Row { want, ..row }; count])
}
