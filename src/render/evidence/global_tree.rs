//! Renders the surrogate tree of a whole model.

use serde::Serialize;

use super::super::clean::clean;
use super::super::paint::{Colours, line};
use super::rules::expression;
use crate::evidence::global_tree::{GlobalPath, GlobalTree};
use crate::model::Model;

/// The tree as JSON.
#[derive(Serialize)]
pub struct GlobalTreeBody {
    model: String,
    revision: String,
    fidelity: f32,
    majority_fidelity: f32,
    learnt_from: usize,
    held_out: usize,
    words: usize,
    paths: Vec<PathBody>,
}

#[derive(Serialize)]
struct PathBody {
    #[serde(rename = "if")]
    conditions: Vec<ConditionBody>,
    then: String,
    share: f32,
    confidence: f32,
    rule: String,
}

#[derive(Serialize)]
struct ConditionBody {
    word: String,
    present: bool,
}

pub fn json(tree: &GlobalTree, model: &Model) -> GlobalTreeBody {
    let condition =
        |(word, present): &(String, bool)| ConditionBody { word: word.clone(), present: *present };
    let path = |path: &GlobalPath| PathBody {
        conditions: path.conditions.iter().map(condition).collect(),
        then: model.label(path.then),
        share: path.share as f32,
        confidence: path.confidence as f32,
        rule: rule(path, model),
    };
    GlobalTreeBody {
        model: model.id.clone(),
        revision: model.revision.clone(),
        fidelity: tree.fidelity as f32,
        majority_fidelity: tree.majority as f32,
        learnt_from: tree.learnt_from,
        held_out: tree.held_out,
        words: tree.words,
        paths: tree.paths.iter().map(path).collect(),
    }
}

fn rule(path: &GlobalPath, model: &Model) -> String {
    let conditions = path.conditions.iter().map(|(word, present)| (word.as_str(), *present));
    format!("{} → {}", expression(conditions), model.label(path.then))
}

pub fn terminal(tree: &GlobalTree, colours: Colours, model: &Model) -> String {
    let (mut out, bold) = (String::new(), colours.bold());
    for path in &tree.paths {
        let rule = clean(&rule(path, model));
        let (share, right) = (path.share, path.confidence);
        line(&mut out, format_args!("{bold}{rule}{bold:#}  share {share:.3}, right {right:.3}"));
    }
    line(
        &mut out,
        format_args!(
            "\nLearnt from {} texts, with a vocabulary of {} words. Agrees with the model on {:.3} \
             of {} held-out texts; always predicting the most frequent label agrees on {:.3}.",
            tree.learnt_from, tree.words, tree.fidelity, tree.held_out, tree.majority
        ),
    );
    out
}
