//! Views inside the model: what its layers and heads contribute to one output.
//!
//! To add a view, add a file and a line in [`look`] and [`cost`]. Concepts are looked at in the same
//! way, but belong to no view.

mod ablation;
mod concepts;
mod conductance;
pub mod head_importance;
mod lens;
mod spline;

pub use concepts::locate;
use conductance::Settings;
use futures_util::FutureExt;
use futures_util::future::{OptionFuture, try_join};

use crate::attribution::{Cost, Subject};
use crate::error::{Code, Error, Result};
use crate::explanation::{Ablation, Conductance, HeadImportance, Inside, Question, Resolved, View};
use crate::heads::Task;
use crate::passes::Passes;
use crate::rows::Maps;
use crate::tasks::{ModelOutput, masks};

/// Checks that the views are possible for any input of the question.
pub fn check(question: &Question) -> Result<()> {
    let divided = question.window.is_some() || question.candidates.is_some();
    if divided && !question.inside.is_empty() {
        let detail = "inside looks at whole texts and the model's own labels; leave out window \
                      and candidate_labels, or inside";
        return Err(Error::field("/inside", detail));
    }
    if divided && !question.concepts.is_empty() {
        let detail = "concepts are about whole texts and the model's own labels; leave out window \
                      and candidate_labels, or concepts";
        return Err(Error::field("/concepts", detail));
    }
    let lens = question.inside.iter().position(|view| *view == View::Lens);
    match lens.filter(|_| question.model.task == Task::Embedding) {
        Some(index) => {
            let detail = "the lens needs a head with labels, and an embedding model has none";
            Err(Error::new(Code::MethodNotSupported, detail).at(format!("/inside/{index}")))
        }
        None => Ok(()),
    }
}

/// Checks that a sequence of `tokens` is not too long for the views.
pub fn check_length(question: &Question, tokens: usize) -> Result<()> {
    let most = || conductance::max_tokens(&question.model);
    match question.inside.iter().position(|view| *view == View::Conductance) {
        Some(index) if tokens > most() => {
            let detail = format!(
                "conductance of {} takes at most {} tokens, and the text has {tokens}",
                question.model.id,
                most()
            );
            Err(Error::new(Code::ResponseTooLarge, detail).at(format!("/inside/{index}")))
        }
        _ => Ok(()),
    }
}

/// Returns the rows of all views, and of concepts, for a sequence of `tokens`.
pub fn cost(question: &Question, tokens: usize) -> Cost {
    // The path of the conductance ends at the row of the importance.
    let own_row = usize::from(!question.inside.contains(&View::Conductance));
    let of_view = |view: &View| match view {
        View::Lens => Cost { forward_rows: 1, ..Cost::default() },
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
            let outputs = match question.model.task {
                // Only the best ones of each mask are shown.
                Task::FillMask => masks::BEST,
                _ => question.model.outputs(),
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

/// Returns the requested views of the first of `subject`'s scalars, which is that of `target`.
pub async fn look(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    target: Option<&Resolved>,
    read: &ModelOutput<'_>,
) -> Result<Option<Inside>> {
    if question.inside.is_empty() {
        return Ok(None);
    }
    let target = target.ok_or_else(|| Error::field("/inside", "there is no target to explain"))?;
    let wants = |view: View| question.inside.contains(&view);
    let lens = wants(View::Lens).then(|| lens::lens(question, passes, subject, read));
    let layers_and_heads = async {
        let (conductance, scores) = layers(question, passes, subject, target).await?;
        let (head_importance, ablation) = heads(question, passes, subject, target, scores).await?;
        Ok::<_, Error>((conductance, head_importance, ablation))
    };
    let (lens, (conductance, head_importance, ablation)) =
        try_join(OptionFuture::from(lens).map(Option::transpose), layers_and_heads).await?;
    Ok(Some(Inside { lens, conductance, head_importance, ablation }))
}

/// Returns the conductance, and the importance of all heads from the end of its path.
async fn layers(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
) -> Result<(Option<Conductance>, Option<Vec<Vec<f64>>>)> {
    if !question.inside.contains(&View::Conductance) {
        return Ok((None, None));
    }
    let settings = Settings::of(question)?;
    let maps = match needs_heads(question) {
        true => head_importance::maps(passes.model()),
        false => Maps::default(),
    };
    let (conductance, maps) =
        conductance::conductance(passes, subject, target, &settings, maps).await?;
    let scores = needs_heads(question).then(|| head_importance::of_maps(maps));
    Ok((Some(conductance), scores))
}

fn needs_heads(question: &Question) -> bool {
    [View::HeadImportance, View::Ablation].iter().any(|view| question.inside.contains(view))
}

/// Returns the views of attention heads, from the importance of all if it is known already.
async fn heads(
    question: &Question,
    passes: &Passes,
    subject: Subject<'_>,
    target: &Resolved,
    known: Option<Vec<Vec<f64>>>,
) -> Result<(Option<HeadImportance>, Option<Ablation>)> {
    if !needs_heads(question) {
        return Ok((None, None));
    }
    let scores = match known {
        Some(scores) => scores,
        None => head_importance::scores(passes, subject, &target.scalar).await?,
    };
    let ablated = question.inside.contains(&View::Ablation);
    let ablation = ablated.then(|| ablation::ablation(passes, subject, target, &scores));
    let ablation = OptionFuture::from(ablation).await.transpose()?;
    let importance = question.inside.contains(&View::HeadImportance);
    let importance = importance.then(|| HeadImportance { target: target.clone(), scores });
    Ok((importance, ablation))
}
