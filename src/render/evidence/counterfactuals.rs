//! Renders counterfactuals: texts with their edits marked.

use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::clean::clean;
use super::super::paint::{Colours, line};
use super::rules::sentence;
use super::{LabelBody, Show};
use crate::evidence::counterfactuals::{Flip, Flips, Reason};
use crate::evidence::predictor::prediction;
use crate::evidence::words::Edit;
use crate::model::Model;

/// The counterfactuals of one input.
#[derive(Serialize, ToSchema)]
pub struct FlipsBody {
    /// Fewest edits first.
    counterfactuals: Vec<FlipBody>,
    /// Why the list is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Words that may be changed.
    words: usize,
    /// The most words that a counterfactual may change.
    max_edits: usize,
    /// Rows run.
    rows: usize,
}

/// A changed text that has another label.
#[derive(Serialize, ToSchema)]
pub struct FlipBody {
    text: String,
    /// In text order. Applied to the input's text, they give `text`.
    edits: Vec<EditBody>,
    prediction: LabelBody,
}

/// A replacement of `start..end` in the input's text, in code points, by `to`. An empty `to`
/// deletes it.
#[derive(Serialize, ToSchema)]
pub struct EditBody {
    start: usize,
    end: usize,
    from: String,
    to: String,
}

impl From<&Edit> for EditBody {
    fn from(edit: &Edit) -> Self {
        let Edit { start, end, from, to } = edit.clone();
        Self { start, end, from, to }
    }
}

impl Show for Flips {
    type Json = FlipsBody;

    fn json(&self, model: &Model) -> FlipsBody {
        let flip = |flip: &Flip| FlipBody {
            text: flip.text.clone(),
            edits: flip.edits.iter().map(Into::into).collect(),
            prediction: (&prediction(model, &flip.verdict)).into(),
        };
        FlipsBody {
            counterfactuals: self.flips.iter().map(flip).collect(),
            reason: self.reason.map(|reason| reason_text(reason, self)),
            words: self.words,
            max_edits: self.max_edits,
            rows: self.rows,
        }
    }

    fn page(&self, model: &Model) -> Markup {
        html! {
            @if let Some(reason) = self.reason { p { (sentence(&reason_text(reason, self))) } }
            @for flip in &self.flips {
                p {
                    @for segment in segments(flip) {
                        @match segment {
                            Segment::Same(text) => bdi { (text) },
                            Segment::Changed(from, to) => {
                                @if !from.is_empty() { del { (from) } }
                                @if !to.is_empty() { ins { (to) } }
                            },
                        }
                    }
                    " → " strong { bdi { (model.label(flip.verdict.label)) } }
                    (format!(" {:.3}", flip.verdict.probability()))
                }
            }
        }
    }

    fn terminal(&self, out: &mut String, colours: Colours, model: &Model) {
        if let Some(reason) = self.reason {
            line(out, format_args!("{}", sentence(&reason_text(reason, self))));
        }
        let bold = colours.bold();
        for flip in &self.flips {
            let changed = |segment: Segment<'_>| match segment {
                Segment::Same(text) => clean(&text),
                Segment::Changed(from, to) => {
                    let (before, after) = spaces(from, to);
                    let (from, to) = (clean(from.trim()), clean(to));
                    format!("{before}{bold}[{from} → {}]{bold:#}{after}", or_deleted(&to))
                }
            };
            let text: String = segments(flip).into_iter().map(changed).collect();
            let label = clean(&model.label(flip.verdict.label));
            line(
                out,
                format_args!("{bold}{label}{bold:#}  {:.3}  {text}", flip.verdict.probability()),
            );
        }
    }
}

/// Returns the whitespace on either side that was deleted together with a word.
fn spaces<'a>(from: &'a str, to: &str) -> (&'a str, &'a str) {
    match to.is_empty() {
        true => (&from[..from.len() - from.trim_start().len()], &from[from.trim_end().len()..]),
        false => ("", ""),
    }
}

/// Returns the text shown for a replacement, `∅` for a deletion.
fn or_deleted(to: &str) -> &str {
    if to.is_empty() { "∅" } else { to }
}

fn reason_text(reason: Reason, flips: &Flips) -> String {
    match reason {
        Reason::Already => "the model already predicts the requested label".to_owned(),
        Reason::AllKept => "there is no word that may be changed".to_owned(),
        Reason::NoneFlips => format!(
            "none of the changes that were tried, of at most {} of the {} words, flips the \
             prediction",
            flips.max_edits, flips.words
        ),
        Reason::Stopped => {
            "the time or the rows of the request ran out before a flip was found".to_owned()
        }
    }
}

/// A segment of a counterfactual's text.
enum Segment<'a> {
    Same(String),
    /// The text before and after the edit.
    Changed(&'a str, &'a str),
}

/// Splits the text of a counterfactual at its edits.
fn segments(flip: &Flip) -> Vec<Segment<'_>> {
    let mut rest = flip.text.chars();
    let mut segments = Vec::new();
    let mut at = 0;
    for edit in &flip.edits {
        segments.push(Segment::Same(rest.by_ref().take(edit.start - at).collect()));
        segments.push(Segment::Changed(&edit.from, &edit.to));
        rest.by_ref().take(edit.to.chars().count()).for_each(drop);
        at = edit.end;
    }
    segments.push(Segment::Same(rest.collect()));
    segments
}
