//! Zero-shot classification by a model of entailment (Yin, Hay & Roth 2019): a label of the
//! caller's is as likely as that the text entails its hypothesis. The rules are those of
//! transformers' zero-shot-classification pipeline.

use std::sync::Arc;

use super::{different, not_found, numbered, unsuited};
use crate::error::{Code, Error, Result};
use crate::explanation::{
    Candidates, Choice, Class, HypothesisWords, Named, Prediction, Question, Resolved, Target, What,
};
use crate::heads::Labels;
use crate::heads::activation::OutputActivation;
use crate::model::Model;
use crate::passes::{Competition, Outcome};
use crate::rows::{Output, RowOutput, Scalar};

/// Refuses what no input can be asked.
pub fn check(question: &Question, candidates: &Candidates) -> Result<()> {
    let model = &question.model;
    outcome(model, candidates)?;
    if question.window.is_some() {
        let detail = "candidate_labels are asked of one text; send truncate: true to cut it";
        return Err(Error::field("/window", detail));
    }
    match &question.target {
        Target::Predicted | Target::All => {}
        Target::Class { token: Some(_), .. } | Target::Contrast { token: Some(_), .. } => {
            let detail = "a candidate is of the whole text";
            return Err(Error::new(Code::TargetNotFound, detail).at("/target/token"));
        }
        Target::Class { class, .. } => {
            find(class, candidates, "/target")?;
        }
        Target::Contrast { classes, .. } => {
            find_contrast(classes, candidates)?;
        }
        Target::Border { .. } => {
            return Err(unsuited(model, "it has no start and end", "/target/position"));
        }
    }
    match candidates.words {
        HypothesisWords::Held => Ok(()),
        HypothesisWords::Explained => check_words(question, candidates),
    }
}

/// A hypothesis can change only where the explained scalar is of its pair alone.
fn check_words(question: &Question, candidates: &Candidates) -> Result<()> {
    let refused = |detail| Err(Error::field("/explain_hypothesis", detail));
    let competing = candidates.choice == Choice::One;
    match (&question.target, question.output) {
        (Target::All | Target::Contrast { .. }, _) => {
            refused("each candidate has words of its own; name one as the target")
        }
        (_, Output::Probability) if competing => refused(
            "a candidate's probability is of every hypothesis; explain output: \"logit\", or send \
             multi_label: true",
        ),
        _ if competing && question.evaluate.is_some() => refused(
            "measures are of a candidate's probability, which is of every hypothesis; send \
             multi_label: true, or leave out evaluate",
        ),
        _ => Ok(()),
    }
}

/// Which of the model's outputs say how far a hypothesis follows.
pub fn outcome(model: &Model, candidates: &Candidates) -> Result<Outcome> {
    let labels = model.outputs();
    let Some(output) = model.entailment.filter(|_| labels > 1) else {
        let has = match model.labels() {
            Labels::Named(names) => format!("has the labels {}", names.join(", ")),
            Labels::Pieces(_) | Labels::Dimensions(_) => "has none".to_owned(),
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
        Choice::One => Competition::Pairs,
        Choice::Several => Competition::Within(contradiction),
    };
    Ok(Outcome { output, competition })
}

/// How logits become probabilities.
pub fn activation(candidates: &Candidates) -> OutputActivation {
    match candidates.choice {
        Choice::One => OutputActivation::Softmax,
        Choice::Several => OutputActivation::Sigmoid,
    }
}

/// Every candidate, the likeliest first.
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

/// The scalars of candidates that a checked target means; `best` is the likeliest.
pub fn resolve(question: &Question, candidates: &Candidates, best: usize) -> Result<Vec<Resolved>> {
    let named = |index: usize| Named { index, label: candidates.labels[index].clone() };
    let output = question.output;
    let one = |index: usize| Resolved {
        token: None,
        what: What::Class(named(index)),
        scalar: Scalar::one(output, index),
    };
    Ok(match &question.target {
        Target::All => (0..candidates.labels.len()).map(one).collect(),
        Target::Class { class, .. } => vec![one(find(class, candidates, "/target")?)],
        Target::Contrast { classes, .. } => {
            let [a, b] = find_contrast(classes, candidates)?;
            let terms = vec![(a, 1.), (b, -1.)];
            let scalar = Scalar::Sum { output, terms };
            vec![Resolved { token: None, what: What::Contrast(named(a), named(b)), scalar }]
        }
        Target::Predicted | Target::Border { .. } => vec![one(best)],
    })
}

/// The candidate whose pair a target is shown with.
pub fn shown(target: &Resolved) -> Option<usize> {
    match &target.what {
        What::Class(named) | What::Contrast(named, _) => Some(named.index),
        What::Border(_) | What::Cosine(_) => None,
    }
}

/// The most scalars that the target can mean.
pub fn most(target: &Target, candidates: &Candidates) -> usize {
    match target {
        Target::All => candidates.labels.len(),
        _ => 1,
    }
}

/// Of how many pairs the scalar of one target is, at most.
pub fn pairs(target: &Target, output: Output, candidates: &Candidates) -> usize {
    match (output, candidates.choice, target) {
        (Output::Probability, Choice::One, _) => candidates.labels.len(),
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
