//! Zero-shot classification by a natural language inference model (Yin, Hay & Roth 2019): a
//! candidate label's probability is that of the text entailing its hypothesis. Follows
//! transformers' zero-shot-classification pipeline.

use std::sync::Arc;

use super::{different, not_found, numbered, unsuited};
use crate::attribution::{Options, layer};
use crate::error::{Code, Error, Result};
use crate::explanation::{
    Candidates, Class, HypothesisWords, LabelChoice, Named, Prediction, Question, Resolved,
    ScalarName, Target,
};
use crate::heads::Labels;
use crate::heads::activation::OutputActivation;
use crate::model::Model;
use crate::passes::{Competition, Outcome};
use crate::rows::{Output, RowOutput, Scalar};

/// Checks that a question is possible for any input.
pub fn check(question: &Question, candidates: &Candidates) -> Result<()> {
    let model = &question.model;
    outcome(model, candidates)?;
    if question.window.is_some() {
        let detail = "candidate_labels need one text in full; send truncate: true to cut it";
        return Err(Error::field("/window", detail));
    }
    let hidden = |(_, options): &(_, Options)| layer::is_hidden(options);
    if let Some(index) = question.methods.iter().position(hidden) {
        let detail = "with candidate_labels, a layer is word_embeddings or embeddings";
        return Err(Error::field(format!("/methods/{index}/layer"), detail));
    }
    match &question.target {
        Target::Predicted | Target::All => {}
        Target::Class { token: Some(_), .. } | Target::Contrast { token: Some(_), .. } => {
            let detail = "a candidate label applies to the whole text";
            return Err(Error::new(Code::TargetNotFound, detail).at("/target/token"));
        }
        Target::Class { class, .. } => {
            find(class, candidates, "/target")?;
        }
        Target::Contrast { classes, .. } => {
            find_contrast(classes, candidates)?;
        }
        Target::SpanBoundary { .. } => {
            return Err(unsuited(model, "it has no start and end", "/target/position"));
        }
    }
    match candidates.words {
        HypothesisWords::Fixed => Ok(()),
        HypothesisWords::Explained => check_words(question, candidates),
    }
}

/// Checks that the explained scalar depends only on its own pair, to perturb its hypothesis.
fn check_words(question: &Question, candidates: &Candidates) -> Result<()> {
    let refused = |detail| Err(Error::field("/explain_hypothesis", detail));
    let competing = candidates.choice == LabelChoice::One;
    match (&question.target, question.output) {
        (Target::All | Target::Contrast { .. }, _) => {
            refused("each candidate has its own hypothesis; name one as the target")
        }
        (_, Output::Probability) if competing => refused(
            "a candidate's probability depends on all hypotheses; send output: \"logit\" or \
             multi_label: true",
        ),
        _ if competing && question.evaluate.is_some() => refused(
            "measures use a candidate's probability, which depends on all hypotheses; send \
             multi_label: true, or leave out evaluate",
        ),
        _ => Ok(()),
    }
}

/// Returns the model's outputs that measure entailment.
pub fn outcome(model: &Model, candidates: &Candidates) -> Result<Outcome> {
    let labels = model.outputs();
    let Some(output) = model.entailment.filter(|_| labels > 1) else {
        let has = match model.labels() {
            Labels::Named(names) => format!("has the labels {}", names.join(", ")),
            Labels::Pieces(_) | Labels::Dimensions(_) => "has no labels".to_owned(),
        };
        let detail = format!(
            "{}, a {} model, {has}; candidate_labels need a text classifier with a label that \
             begins with \"entail\"",
            model.id,
            model.task.name()
        );
        return Err(Error::field("/candidate_labels", detail));
    };
    let contradiction = if output == 0 { labels - 1 } else { 0 };
    let competition = match candidates.choice {
        LabelChoice::One => Competition::Pairs,
        LabelChoice::Several => Competition::Within(contradiction),
    };
    Ok(Outcome { output, competition })
}

/// Returns the activation that turns logits into probabilities.
pub fn activation(candidates: &Candidates) -> OutputActivation {
    match candidates.choice {
        LabelChoice::One => OutputActivation::Softmax,
        LabelChoice::Several => OutputActivation::Sigmoid,
    }
}

/// Returns all candidates, most probable first.
pub fn ranked(candidates: &Candidates, output: &RowOutput) -> Vec<Prediction> {
    let prediction = |(index, label): (usize, &Arc<str>)| Prediction {
        index,
        label: label.to_string(),
        decoded: None,
        logit: output.logits[index],
        probability: output.probabilities[index],
    };
    let mut ranked: Vec<Prediction> =
        candidates.labels.iter().enumerate().map(prediction).collect();
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.index.cmp(&b.index)));
    ranked
}

/// Returns the scalars that a checked target means; `best` is the most probable candidate.
pub fn resolve(question: &Question, candidates: &Candidates, best: usize) -> Result<Vec<Resolved>> {
    let named = |index: usize| Named { index, label: candidates.labels[index].clone() };
    let output = question.output;
    let one = |index: usize| Resolved {
        token: None,
        what: ScalarName::Class(named(index)),
        scalar: Scalar::one(output, index),
    };
    Ok(match &question.target {
        Target::All => (0..candidates.labels.len()).map(one).collect(),
        Target::Class { class, .. } => vec![one(find(class, candidates, "/target")?)],
        Target::Contrast { classes, .. } => {
            let [a, b] = find_contrast(classes, candidates)?;
            let terms = vec![(a, 1.), (b, -1.)];
            let scalar = Scalar::Sum { output, terms };
            vec![Resolved { token: None, what: ScalarName::Contrast(named(a), named(b)), scalar }]
        }
        Target::Predicted | Target::SpanBoundary { .. } => vec![one(best)],
    })
}

/// Returns the candidate whose pair a target is shown with.
pub fn shown(target: &Resolved) -> Option<usize> {
    match &target.what {
        ScalarName::Class(named) | ScalarName::Contrast(named, _) => Some(named.index),
        ScalarName::SpanBoundary(_) | ScalarName::Cosine(_) => None,
    }
}

/// Returns the maximum number of scalars that the target can mean.
pub fn most(target: &Target, candidates: &Candidates) -> usize {
    match target {
        Target::All => candidates.labels.len(),
        _ => 1,
    }
}

/// Returns the maximum number of pairs that a target's scalar depends on.
pub fn pairs(target: &Target, output: Output, candidates: &Candidates) -> usize {
    match (output, candidates.choice, target) {
        (Output::Probability, LabelChoice::One, _) => candidates.labels.len(),
        (_, _, Target::Contrast { .. }) => 2,
        _ => 1,
    }
}

fn find(class: &Class, candidates: &Candidates, pointer: &str) -> Result<usize> {
    let found = match class {
        Class::Index(index) => Some(*index).filter(|&index| index < candidates.labels.len()),
        Class::Label(name) => candidates.labels.iter().position(|label| **label == **name),
    };
    let known = || numbered(candidates.labels.iter());
    found.ok_or_else(|| not_found(class, "the list of candidates", &known(), pointer))
}

fn find_contrast([a, b]: &[Class; 2], candidates: &Candidates) -> Result<[usize; 2]> {
    let a = find(a, candidates, "/target/contrast/0")?;
    let b = find(b, candidates, "/target/contrast/1")?;
    different([a, b])
}
