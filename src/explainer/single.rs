//! Explains one text, or a pair of texts in one sequence.

use std::sync::Arc;

use futures_util::future::try_join4;

use super::events::Follow;
use super::first_pass;
use super::reads::Needed;
use super::steps::{
    ExplanationParts, assemble, attributions, evaluate, mask_values, methods_share, targets, values,
};
use crate::attention::{self, ResolvedSelection};
use crate::attribution::Subject;
use crate::error::Result;
use crate::explanation::{Explained, Question};
use crate::inside::{self, Part};
use crate::passes::Passes;
use crate::rows::{Row, Scalar, Want};
use crate::tasks::{self, ModelOutput};
use crate::text::Encoding;

pub async fn explain(
    question: &Question,
    passes: &Passes,
    attention_selection: Option<&ResolvedSelection>,
    encoding: Encoding,
    follow: &Follow,
) -> Result<Explained> {
    let maps = attention_selection.map(ResolvedSelection::first_pass_maps).unwrap_or_default();
    let mut first = first_pass::explained(question, passes, maps, &encoding).await?;
    let maps = std::mem::take(&mut first.output.attention);
    let (model, all) = (&question.model, &first.output);
    let read = ModelOutput { model, encoding: &encoding, reads: &first.reads, output: all };
    let behaviour = tasks::of(model.task);
    let predicted = behaviour.predicted(question, &read)?;
    let targets = targets(question, &read)?;
    let Needed { reads, output, targets } = Needed::of(question, &first.reads, all, targets);
    let values = values(&targets, &output);
    let scalars: Vec<Scalar> = targets.iter().map(|target| target.scalar.clone()).collect();
    let seed = question.seed;
    let subject = Subject {
        encoding: &encoding,
        reads: &reads,
        scalars: &scalars,
        values: &values,
        mask_values: &mask_values(question, &targets, &output),
        seed,
    };
    let method_passes = passes.for_a_share(methods_share(question));
    let method_passes = first.known_to(&method_passes, &targets);
    let parts = [Part::whole(&method_passes, subject)];
    let row = Row { reads: Arc::clone(&first.reads), ..subject.row(Want::Lens) };
    let lens = inside::lens(&method_passes, vec![row], |outputs| {
        behaviour.predicted(question, &ModelOutput { output: &outputs[0], ..read })
    });
    // Concurrently, so that methods do not use up the time for attention.
    let (scored, attention, inside, concepts) = try_join4(
        attributions(question, &method_passes, subject, &targets, follow),
        attention::answer(attention_selection, passes, subject, targets.first(), maps),
        inside::look(question, targets.first(), &encoding, &parts, lens),
        inside::locate(question, targets.first(), &parts),
    )
    .await?;
    let evaluation = match (&question.evaluate, targets.first()) {
        (Some(_), Some(_)) => Some(evaluate(question, passes, subject, &scored, &output).await?),
        _ => None,
    };
    let parts = ExplanationParts {
        predicted,
        scored,
        targets,
        values,
        attention,
        inside,
        concepts,
        evaluation,
    };
    Ok(assemble(question, encoding, parts))
}
