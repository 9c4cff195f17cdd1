//! Which attention heads matter over a corpus: the importance of every head, what it mostly attends
//! to, and what changes without the most important ones.

mod ablation;
mod json;
mod plots;
mod presentation;
mod reading;
mod summary;
mod tally;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join;
use serde_json::{Value, json};

use super::{Run, RunError, Scope};
use crate::attention::patterns_of_heads;
use crate::attribution::{MaskValues, Subject};
use crate::choice::Choice;
use crate::error::Error;
use crate::explainer::AdmittedInputs;
use crate::explanation::{HeadPattern, Load, Question};
use crate::inside::{Part, head_importance};
use crate::rows::{AttentionHead, Row, RowOutput};
use crate::tasks;
use crate::text::tokenizer::Truncate;
use crate::text::{Encoding, Input};

use ablation::Ablations;
pub use json::json;
pub use presentation::{document, terminal};
use reading::{Reading, choices};
pub use summary::{Ablated, Ablation, HeadRow, Summary};
use tally::Tally;

/// The folder of the records of ablations, in that of the report.
const ABLATIONS: &str = "ablations";

/// Heads that are switched off in one round.
const HEADS_PER_BATCH: usize = 64;

/// Measures the heads on every text, then switches the `ablate` most important ones off, one at a
/// time. Continues from the records in `folder`, and calls `known` with their number for each of
/// both.
///
/// # Errors
/// Fails if the records cannot be written, or if no text could be measured.
pub async fn run(
    scope: &Scope<'_>,
    ablate: usize,
    folder: &Path,
    known: &dyn Fn(usize),
) -> Result<Summary, RunError> {
    let mut tally = Tally::new(scope.model.layers(), scope.model.heads());
    let identity = json!({ "command": "heads" });
    let work = async |input: Input| measure(scope, input).await;
    let run = scope.run(&mut tally, folder, &identity, known, work).await?;
    // The most important heads are known only after all texts.
    let heads = if run.left == 0 { tally.most_important(ablate) } else { Vec::new() };
    let mut ablations = Ablations::new(scope, heads);
    let ablated = switch_off(scope, &mut ablations, folder, known).await?;
    Ok(Summary::new(scope, &tally, &run, &ablations, &ablated))
}

async fn switch_off(
    scope: &Scope<'_>,
    ablations: &mut Ablations,
    folder: &Path,
    known: &dyn Fn(usize),
) -> Result<Run, RunError> {
    let heads = ablations.heads.clone();
    if heads.is_empty() {
        return Ok(Run::default());
    }
    let names: Vec<[usize; 2]> = heads.iter().map(|one| [one.layer, one.head]).collect();
    let identity = json!({ "command": "heads", "without": names });
    let work = async |input: Input| ablate(scope, &heads, input).await;
    // The importance is worth a report, even if no text can be run without a head.
    scope.attempt(ablations, &folder.join(ABLATIONS), &identity, known, work).await
}

/// Returns the importance and the pattern of every head for one text, or for the first of two texts
/// that are embedded separately:
/// `{"truncated", "scores": [layers][heads], "patterns": [layers · heads]}`.
async fn measure(scope: &Scope<'_>, input: Input) -> Result<Value, Error> {
    let model = scope.model;
    let loads = |encoding: &Encoding| {
        let tokens = encoding.len();
        // The patterns take a row per layer at most.
        let forward = first_rows(encoding) + model.layers();
        vec![Load::forward(model, tokens, forward), Load::gradients(model, tokens, 1)]
    };
    let text = Text::admit(scope, input, loads).await?;
    let (encoding, passes) = (text.encoding()?, &text.admitted.passes);
    let First { reads, reading, .. } = text.first().await?;
    let subject = Subject {
        encoding,
        reads: &reads,
        scalars: &[reading.scalar],
        values: &[],
        mask_values: &MaskValues::default(),
        seed: 0,
    };
    let part = Part::whole(passes, subject);
    let scores = head_importance::scores(&part);
    let (scores, patterns) = try_join(scores, patterns_of_heads(passes, subject)).await?;
    let name = |head: &HeadPattern| head.pattern.name();
    let patterns: Vec<&str> = patterns.iter().map(name).collect();
    Ok(json!({ "truncated": encoding.truncated, "scores": scores, "patterns": patterns }))
}

/// Returns what happens to the prediction of one text without each head, with the choice at each
/// predicted output: `{"choices", "without": [[choices, change of the mean logit]]}`.
async fn ablate(scope: &Scope<'_>, heads: &[AttentionHead], input: Input) -> Result<Value, Error> {
    let loads = |encoding: &Encoding| {
        vec![Load::forward(scope.model, encoding.len(), first_rows(encoding) + heads.len())]
    };
    let text = Text::admit(scope, input, loads).await?;
    let first = text.first().await?;
    let (question, encoding) = (&text.admitted.question, text.encoding()?);
    let choices = |output: &RowOutput| choices(question, encoding, &first, output);
    let row = |head: &AttentionHead| Row {
        without: Some(*head),
        ..Row::forward(Arc::clone(&encoding.ids), Arc::clone(&first.reads))
    };
    let changed = |without: &RowOutput| {
        let change = first.reading.value(without) - first.reading.value(&first.output);
        Ok(json!([choices(without)?, change]))
    };
    let mut all = Vec::with_capacity(heads.len());
    // Outputs of masked language models are large.
    for heads in heads.chunks(HEADS_PER_BATCH) {
        let outputs = text.admitted.passes.run(heads.iter().map(row).collect()).await?;
        all.extend(outputs.iter().map(changed).collect::<Result<Vec<Value>, Error>>()?);
    }
    Ok(json!({ "choices": choices(&first.output)?, "without": all }))
}

/// Returns the number of rows of the first pass: one for each text that is embedded by itself.
fn first_rows(encoding: &Encoding) -> usize {
    1 + usize::from(encoding.separate_pair.is_some())
}

/// One admitted text.
struct Text {
    admitted: AdmittedInputs,
}

/// The first pass of a text.
struct First {
    reads: Arc<[usize]>,
    reading: Reading,
    output: RowOutput,
}

impl Text {
    async fn admit(
        scope: &Scope<'_>,
        input: Input,
        loads: impl Fn(&Encoding) -> Vec<Load>,
    ) -> Result<Self, Error> {
        let question = Question {
            truncate: Truncate::Yes,
            ..Question::prediction(Arc::clone(scope.model), vec![input])
        };
        Ok(Self { admitted: scope.explainer.admit(question, loads).await? })
    }

    fn encoding(&self) -> Result<&Encoding, Error> {
        match self.admitted.encodings.first() {
            Some(encoding) => encoding.as_ref().map_err(Clone::clone),
            None => Err(Error::internal("no encoding")),
        }
    }

    async fn first(&self) -> Result<First, Error> {
        let (question, encoding) = (&self.admitted.question, self.encoding()?);
        let reads = tasks::of(question.model.task).reads(encoding, &question.model)?;
        let row = |encoding: &Encoding| Row::forward(Arc::clone(&encoding.ids), Arc::clone(&reads));
        let passes = &self.admitted.passes;
        let output = passes.run_one(row(encoding)).await?;
        let reading = match &encoding.separate_pair {
            Some(pair) => Reading::similarity(&passes.run_one(row(pair)).await?),
            None => Reading::of(question, encoding, &reads, &output)?,
        };
        Ok(First { reads, reading, output })
    }
}

/// Returns the files of the report by name.
pub fn files(summary: &Summary) -> Vec<(String, String)> {
    let mut files = document(summary).files();
    files.push(("report.json".to_owned(), format!("{:#}\n", json(summary))));
    files
}
