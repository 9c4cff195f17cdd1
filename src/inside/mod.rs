//! Views inside the model: what its layers and heads contribute to one output.
//!
//! To add a view, add a file and a line in [`look`] and [`cost`]. Concepts are looked at in the same
//! way, but belong to no view.

mod ablation;
mod concepts;
mod conductance;
pub mod head_importance;
mod lens;
mod part;
mod spline;

pub use concepts::locate;
use conductance::{Flow, Settings};
use futures_util::FutureExt;
use futures_util::future::{OptionFuture, try_join, try_join_all};
pub use lens::{lens, similarity};
pub use part::Part;

use crate::attribution::Cost;
use crate::error::{Code, Error, Result};
use crate::explanation::{HeadImportance, Inside, Lens, Question, Resolved, View};
use crate::heads::Task;
use crate::rows::Maps;
use crate::tasks::masks;
use crate::text::Encoding;

/// Checks that sequences of `tokens` together, which a scalar depends on, are not too long for the
/// views.
pub fn check_length(question: &Question, tokens: usize) -> Result<()> {
    let most = || conductance::max_tokens(&question.model);
    match question.inside.iter().position(|view| *view == View::Conductance) {
        Some(index) if tokens > most() => {
            let has = match question.candidates {
                Some(_) => "the text with the candidates that its output depends on has",
                None => "the text has",
            };
            let detail = format!(
                "conductance of {} takes at most {} tokens, and {has} {tokens}",
                question.model.id,
                most()
            );
            Err(Error::new(Code::ResponseTooLarge, detail).at(format!("/inside/{index}")))
        }
        _ => Ok(()),
    }
}

/// Returns the rows of the lens, which runs in every sequence.
pub fn lens_cost(question: &Question) -> Cost {
    let forward_rows = usize::from(question.inside.contains(&View::Lens));
    Cost { forward_rows, ..Cost::default() }
}

/// Returns the rows of all views, and of concepts, in each of the sequences that a scalar depends on,
/// which have so many `tokens` together.
pub fn cost(question: &Question, tokens: usize) -> Cost {
    // The path of the conductance ends at the row of the importance.
    let own_row = usize::from(!question.inside.contains(&View::Conductance));
    let of_view = |view: &View| match view {
        View::Lens => lens_cost(question),
        View::Conductance => Cost {
            gradient_rows: conductance::expected_rows(&question.model, tokens),
            ..Cost::default()
        },
        View::HeadImportance => Cost { gradient_rows: own_row, ..Cost::default() },
        View::Ablation => Cost {
            forward_rows: ablation::count(&question.model),
            // The importance chooses the heads.
            gradient_rows: match question.inside.contains(&View::HeadImportance) {
                true => 0,
                false => own_row,
            },
            ..Cost::default()
        },
    };
    let concepts =
        Cost { gradient_rows: usize::from(!question.concepts.is_empty()), ..Cost::default() };
    question.inside.iter().map(of_view).fold(concepts, |sum, cost| Cost {
        forward_rows: sum.forward_rows + cost.forward_rows,
        gradient_rows: sum.gradient_rows + cost.gradient_rows,
        ..sum
    })
}

/// Returns the number of scores in the answer for a sequence of `tokens`.
pub fn numbers(question: &Question, tokens: usize) -> usize {
    let (layers, heads) = (question.model.layers(), question.model.heads());
    let of_view = |view: &View| match view {
        View::Lens => {
            let outputs = match (&question.candidates, question.model.task) {
                (Some(candidates), _) => candidates.labels.len(),
                // Only the best ones of each mask are shown.
                (None, Task::FillMask) => masks::BEST,
                (None, Task::Embedding) => 1,
                (None, _) => question.model.outputs(),
            };
            (layers + 1) * outputs * tokens
        }
        View::Conductance => 2 * layers * tokens,
        View::HeadImportance => layers * heads,
        View::Ablation => 3 * ablation::count(&question.model),
    };
    let of_concepts = 3 * layers * question.concepts.len();
    of_concepts + question.inside.iter().map(of_view).sum::<usize>()
}

/// Returns the requested views of the scalar that `target` means: `lens`, and those that add up over
/// the `parts` of the `whole` text.
pub async fn look(
    question: &Question,
    target: Option<&Resolved>,
    whole: &Encoding,
    parts: &[Part<'_>],
    lens: impl Future<Output = Result<Lens>>,
) -> Result<Option<Inside>> {
    if question.inside.is_empty() {
        return Ok(None);
    }
    let target = target.ok_or_else(|| Error::field("/inside", "there is no target to explain"))?;
    let lens = question.inside.contains(&View::Lens).then_some(lens);
    let parts: Vec<Part<'_>> =
        parts.iter().filter(|part| part.scalar().is_some()).cloned().collect();
    let sums = sums(question, target, whole, &parts);
    let (lens, inside) = try_join(OptionFuture::from(lens).map(Option::transpose), sums).await?;
    Ok(Some(Inside { lens, ..inside }))
}

/// Returns the views that add up over the parts.
async fn sums(
    question: &Question,
    target: &Resolved,
    whole: &Encoding,
    parts: &[Part<'_>],
) -> Result<Inside> {
    let traced = try_join_all(parts.iter().map(|part| trace(question, part))).await?;
    let (flows, scores): (Vec<_>, Vec<_>) = traced.into_iter().unzip();
    let flows: Vec<_> = parts.iter().zip(flows).filter_map(|(p, flow)| Some((p, flow?))).collect();
    let wants = |view: View| question.inside.contains(&view);
    let conductance = wants(View::Conductance).then(|| conductance::sum(target, whole, &flows));
    let scores = part::sum(parts.iter().map(|part| part.weight).zip(&scores));
    let ablation =
        wants(View::Ablation).then(|| ablation::ablation(&question.model, target, parts, &scores));
    let ablation = OptionFuture::from(ablation).await.transpose()?;
    let head_importance =
        wants(View::HeadImportance).then(|| HeadImportance { target: target.clone(), scores });
    Ok(Inside { lens: None, conductance, head_importance, ablation })
}

/// Returns the conductance of one part, and the importance of all heads, `[layers][heads]`, as far as
/// any view needs them.
async fn trace(question: &Question, part: &Part<'_>) -> Result<(Option<Flow>, Vec<Vec<f64>>)> {
    let needs_heads =
        [View::HeadImportance, View::Ablation].iter().any(|view| question.inside.contains(view));
    if question.inside.contains(&View::Conductance) {
        let maps = match needs_heads {
            true => head_importance::maps(part.passes.model()),
            false => Maps::default(),
        };
        let (flow, maps) = conductance::flow(part, &Settings::of(question)?, maps).await?;
        return Ok((Some(flow), head_importance::of_maps(maps)));
    }
    let scores = needs_heads.then(|| head_importance::scores(part));
    let scores = OptionFuture::from(scores).await.transpose()?;
    Ok((None, scores.unwrap_or_default()))
}
