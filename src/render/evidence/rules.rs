//! Renders rules: anchors, and paths of trees.

use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::clean::clean;
use super::super::paint::{Colours, line};
use super::Show;
use crate::evidence::anchors::{self, Anchor, Example};
use crate::evidence::rules::Rule;
use crate::evidence::step::Stop;
use crate::evidence::surrogate_tree::{Path, Tree};
use crate::model::Model;
use crate::text::Unit;

/// The rules of one input.
#[derive(Serialize, ToSchema)]
pub struct RulesBody {
    #[schema(min_items = 1, max_items = 1)]
    rules: Vec<RuleBody>,
}

/// An anchor, or a surrogate tree.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RuleBody {
    Anchor(AnchorBody),
    Tree(TreeBody),
}

/// Words that keep the prediction, whatever happens to the other words.
#[derive(Serialize, ToSchema)]
pub struct AnchorBody {
    /// The words, in text order. Empty if the prediction hardly ever changes.
    #[serde(rename = "if")]
    words: Vec<String>,
    then: String,
    /// The share of texts with these words that have the label `then`.
    precision: f32,
    /// Bounds that contain the precision with a probability of at least 95 %.
    #[schema(min_items = 2, max_items = 2)]
    precision_bounds: [f32; 2],
    /// The share of all perturbed texts that have these words.
    coverage: f32,
    /// Whether the requested precision was reached.
    met: bool,
    /// Why it was not reached, or why no word is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The positions of the words in the text.
    words_at: Vec<WordBody>,
    /// Number of texts evaluated: all possible ones if `exact`, else fresh samples.
    n_samples: usize,
    exact: bool,
    /// Rows run.
    rows: usize,
    /// Texts with these words that have the label.
    fits: Vec<ExampleBody>,
    /// Texts with these words that have another label.
    breaks: Vec<ExampleBody>,
    /// The rule as a logical expression.
    rule: String,
}

/// A word of the text, with offsets in code points.
#[derive(Serialize, ToSchema)]
pub struct WordBody {
    text: String,
    start: usize,
    end: usize,
}

/// A perturbed text and its predicted label.
#[derive(Serialize, ToSchema)]
pub struct ExampleBody {
    text: String,
    label: String,
}

/// A decision tree over which words are present.
#[derive(Serialize, ToSchema)]
pub struct TreeBody {
    /// The share of fresh texts around the input, weighted by proximity, for which the tree
    /// agrees with the model.
    fidelity: f32,
    /// The same for a tree that always predicts the most frequent label.
    majority_fidelity: f32,
    paths: Vec<PathBody>,
    /// Number of texts that the tree was fitted to, and of those that evaluate it.
    n_samples: usize,
    n_fresh: usize,
    /// Rows run.
    rows: usize,
}

/// A path from the root to a leaf.
#[derive(Serialize, ToSchema)]
pub struct PathBody {
    #[serde(rename = "if")]
    conditions: Vec<ConditionBody>,
    then: String,
    /// The share of texts around the input, weighted by proximity, that follow this path.
    share: f32,
    /// The share of these that have the label `then`.
    confidence: f32,
    /// The path as a logical expression.
    #[schema(example = "great AND NOT not → POSITIVE")]
    rule: String,
}

/// A word that must be present or absent.
#[derive(Serialize, ToSchema)]
pub struct ConditionBody {
    word: String,
    present: bool,
    start: usize,
    end: usize,
}

impl Show for Rule {
    type Json = RulesBody;

    fn json(&self, model: &Model) -> RulesBody {
        let rule = match self {
            Self::Anchor(anchor) => RuleBody::Anchor(anchor_body(anchor, model)),
            Self::Tree(tree) => RuleBody::Tree(tree_body(tree, model)),
        };
        RulesBody { rules: vec![rule] }
    }

    fn page(&self, model: &Model) -> Markup {
        match self {
            Self::Anchor(anchor) => anchor_part(anchor, model),
            Self::Tree(tree) => tree_part(tree, model),
        }
    }

    fn terminal(&self, out: &mut String, colours: Colours, model: &Model) {
        match self {
            Self::Anchor(anchor) => anchor_lines(anchor, out, colours, model),
            Self::Tree(tree) => tree_lines(tree, out, colours, model),
        }
    }
}

fn anchor_body(anchor: &Anchor, model: &Model) -> AnchorBody {
    let example = |example: &Example| ExampleBody {
        text: example.text.clone(),
        label: model.label(example.label),
    };
    AnchorBody {
        words: anchor.words.iter().map(|word| word.text.clone()).collect(),
        then: model.label(anchor.then),
        precision: anchor.precision as f32,
        precision_bounds: [anchor.bounds.0 as f32, anchor.bounds.1 as f32],
        coverage: anchor.coverage as f32,
        met: anchor.met,
        reason: reason(anchor),
        words_at: anchor.words.iter().map(word).collect(),
        n_samples: anchor.n_samples,
        exact: anchor.exact,
        rows: anchor.rows,
        fits: anchor.fits.iter().map(example).collect(),
        breaks: anchor.breaks.iter().map(example).collect(),
        rule: anchor_rule(anchor, model),
    }
}

fn word(word: &Unit) -> WordBody {
    WordBody { text: word.text.clone(), start: word.start, end: word.end }
}

/// Explains why an anchor has no words or does not reach the precision.
fn reason(anchor: &Anchor) -> Option<&'static str> {
    match anchor.stopped {
        Some(Stop::Time) => Some("time ran out before a set of words reached the precision"),
        Some(Stop::Rows) => Some("no set of words reached the precision within max_rows"),
        None if !anchor.met => Some("no set of words reaches the precision"),
        None if anchor.words.is_empty() => {
            Some("the prediction hardly ever changes, whichever words are absent")
        }
        None => None,
    }
}

fn anchor_rule(anchor: &Anchor, model: &Model) -> String {
    let words = anchor.words.iter().map(|word| (word.text.as_str(), true));
    format!("{} → {}", expression(words), model.label(anchor.then))
}

/// Formats words that must be present or absent as a logical expression, `always` if empty.
pub fn expression<'a>(conditions: impl Iterator<Item = (&'a str, bool)>) -> String {
    let condition = |(word, present): (&str, bool)| match present {
        true => word.to_owned(),
        false => format!("NOT {word}"),
    };
    let conditions: Vec<String> = conditions.map(condition).collect();
    if conditions.is_empty() { "always".to_owned() } else { conditions.join(" AND ") }
}

fn path_rule(path: &Path, model: &Model) -> String {
    let words = path.conditions.iter().map(|(word, present)| (word.text.as_str(), *present));
    format!("{} → {}", expression(words), model.label(path.then))
}

fn tree_body(tree: &Tree, model: &Model) -> TreeBody {
    let condition = |(word, present): &(Unit, bool)| ConditionBody {
        word: word.text.clone(),
        present: *present,
        start: word.start,
        end: word.end,
    };
    let path = |path: &Path| PathBody {
        conditions: path.conditions.iter().map(condition).collect(),
        then: model.label(path.then),
        share: path.share as f32,
        confidence: path.confidence as f32,
        rule: path_rule(path, model),
    };
    TreeBody {
        fidelity: tree.fidelity as f32,
        majority_fidelity: tree.majority as f32,
        paths: tree.paths.iter().map(path).collect(),
        n_samples: tree.n_samples,
        n_fresh: tree.n_fresh,
        rows: tree.rows,
    }
}

/// Describes the precision and coverage of an anchor.
fn anchor_summary(anchor: &Anchor) -> String {
    let how = match anchor.exact {
        true => format!("all {} possible texts", anchor.n_samples),
        false => format!("{} sampled texts", anchor.n_samples),
    };
    format!(
        "Precision {:.3} ({:.3} to {:.3}) on {how}, coverage {:.3}, {} rows.",
        anchor.precision, anchor.bounds.0, anchor.bounds.1, anchor.coverage, anchor.rows
    )
}

fn tree_summary(tree: &Tree) -> String {
    format!(
        "Agrees with the model on {:.3} of {} fresh texts around this one; always predicting the \
         most frequent label agrees on {:.3}.",
        tree.fidelity, tree.n_fresh, tree.majority
    )
}

fn anchor_part(anchor: &Anchor, model: &Model) -> Markup {
    let examples = |title: &str, examples: &[Example]| {
        html! {
            @if !examples.is_empty() {
                p.xp-soft { (title) }
                ul {
                    @for example in examples {
                        li { bdi { (example.text) } " → " bdi { (model.label(example.label)) } }
                    }
                }
            }
        }
    };
    html! {
        h3 { "Anchor" }
        p { strong { bdi { (anchor_rule(anchor, model)) } } }
        p.xp-soft { (anchor_summary(anchor)) }
        @if let Some(reason) = reason(anchor) { p { (sentence(reason)) } }
        (examples("Texts that keep the prediction:", &anchor.fits))
        (examples("Texts that break the rule:", &anchor.breaks))
    }
}

/// Capitalises a clause and adds a full stop.
pub fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

fn tree_part(tree: &Tree, model: &Model) -> Markup {
    html! {
        h3 { "Surrogate tree" }
        table {
            caption.xp-num { "Paths of the tree" }
            thead { tr {
                th scope="col" { "rule" }
                th scope="col" { "share of texts" }
                th scope="col" { "right" }
            } }
            tbody {
                @for path in &tree.paths {
                    tr {
                        th scope="row" { bdi { (path_rule(path, model)) } }
                        td.xp-n { (format!("{:.3}", path.share)) }
                        td.xp-n { (format!("{:.3}", path.confidence)) }
                    }
                }
            }
        }
        p.xp-soft { (tree_summary(tree)) }
    }
}

fn anchor_lines(anchor: &Anchor, out: &mut String, colours: Colours, model: &Model) {
    let bold = colours.bold();
    line(out, format_args!("{bold}{}{bold:#}", clean(&anchor_rule(anchor, model))));
    line(out, format_args!("{}", anchor_summary(anchor)));
    if let Some(reason) = reason(anchor) {
        line(out, format_args!("{}", sentence(reason)));
    }
    for (title, examples) in [("keeps it", &anchor.fits), ("breaks it", &anchor.breaks)] {
        for example in examples {
            let (text, label) = (clean(&example.text), clean(&model.label(example.label)));
            line(out, format_args!("  {title:<10} {text} → {label}"));
        }
    }
}

fn tree_lines(tree: &Tree, out: &mut String, colours: Colours, model: &Model) {
    let bold = colours.bold();
    for path in &tree.paths {
        let rule = clean(&path_rule(path, model));
        line(
            out,
            format_args!(
                "{bold}{rule}{bold:#}  share {:.3}, right {:.3}",
                path.share, path.confidence
            ),
        );
    }
    line(out, format_args!("{}", tree_summary(tree)));
}

/// The description of `precision_bounds` states this value.
const _: () = assert!(anchors::DELTA == 0.05);
