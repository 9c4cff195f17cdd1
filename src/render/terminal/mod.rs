//! Explanations for the terminal: words on a background whose hue is the sign and whose depth is
//! the magnitude of the score. Without colours, marks below the words show the same.
//!
//! The input text is untrusted: `clean` replaces control and directional characters with `�`.

mod plain;
mod trust;

use anstyle::Style;

use super::clean::clean;
use super::evidence::beside;
use super::heat::{Heat, Piece, Scale};
use super::paint::{Colours, line};
use super::pairs;
use super::summary::Summary;
use super::wording;
use crate::explanation::{Answer, Explained, Explanation, Predicted, Prediction};
use crate::model::Model;

/// Length of the longest bar in columns.
const BAR: usize = 24;

/// Renders the answer.
pub fn render(answer: &Answer, colours: Colours) -> String {
    let mut out = String::new();
    for (_, result) in &answer.results {
        match result {
            Ok(explained) => {
                explained_text(&mut out, colours, explained, &answer.model);
                beside::terminal(&explained.evidence, &mut out, colours, &answer.model);
            }
            Err(error) => line(&mut out, format_args!("{error}")),
        }
    }
    out
}

fn explained_text(out: &mut String, colours: Colours, explained: &Explained, model: &Model) {
    predicted_text(out, colours, explained);
    line(out, format_args!("\n{}", clean(&Summary::of(explained, model).en)));
    trust::warnings(out, colours, explained);
    for explanation in &explained.explanations {
        // Word scores if there are any, otherwise those of the next granularity.
        if let Some(heat) = Heat::all(explained, explanation).first() {
            let target = wording::target(&explanation.target, &explained.tokens);
            explanation_text(out, colours, explanation, heat, &clean(&target));
            pairs_text(out, explained, explanation);
        }
    }
    if explained.truncated {
        line(out, format_args!("\n{}", wording::TRUNCATED));
    }
    trust::windows(out, explained);
    trust::evaluation(out, colours, explained);
}

fn predicted_text(out: &mut String, colours: Colours, explained: &Explained) {
    let bold = colours.bold();
    match &explained.predicted {
        Predicted::Labels(predictions) => predictions_text(out, bold, predictions),
        Predicted::Tokens { entities, .. } => {
            for entity in entities {
                let (text, label) = (clean(&entity.text), clean(&entity.label));
                line(out, format_args!("{bold}{label}{bold:#}  {:.3}  {text}", entity.probability));
            }
        }
        Predicted::Answer { answer, .. } => {
            let text = clean(wording::answer_text(answer));
            line(out, format_args!("{bold}{text}{bold:#}  {:.3}", answer.probability));
        }
        Predicted::Masks(masks) => {
            for mask in masks {
                line(out, format_args!("token {}", mask.token));
                predictions_text(out, bold, &mask.predictions);
            }
        }
        Predicted::Similarity(similarity) => {
            let cosine = similarity.pair.as_ref().map(|pair| pair.cosine);
            if let Some(cosine) = cosine {
                line(out, format_args!("{bold}cosine{bold:#}  {cosine:+.3}"));
            }
        }
    }
}

fn predictions_text(out: &mut String, bold: Style, predictions: &[Prediction]) {
    for (rank, prediction) in predictions.iter().enumerate() {
        let style = if rank == 0 { bold } else { Style::new() };
        let label = clean(&prediction.label);
        let (probability, logit) = (prediction.probability, prediction.logit);
        let numbers = format_args!("{probability:.3}  (logit {logit:+.3})");
        line(out, format_args!("{style}{label}{style:#}  {numbers}"));
    }
}

fn explanation_text(
    out: &mut String,
    colours: Colours,
    explanation: &Explanation,
    heat: &Heat<'_>,
    target: &str,
) {
    let bold = colours.bold();
    let (method, options) = (explanation.method.name, options(explanation));
    line(out, format_args!("\n{bold}{method}{bold:#} of {target}{options}\n"));
    for text in heat.texts() {
        heat_map(out, colours, text, heat.scale);
    }
    line(out, format_args!(""));
    bars(out, colours, heat);
    line(out, format_args!("\n{}", legend(colours, heat.scale, target)));
    for text in wording::certainty(explanation) {
        line(out, format_args!("{text}"));
    }
}

/// Writes the strongest interactions, if the method finds any.
fn pairs_text(out: &mut String, explained: &Explained, explanation: &Explanation) {
    let pairs = pairs::strongest(explained, explanation);
    if !pairs.is_empty() {
        line(out, format_args!("\nStrongest pairs, beyond what each does alone:"));
    }
    for pairs::NamedPair { texts: [one, other], pair } in &pairs {
        let number = pairs::number(pair);
        line(out, format_args!("  {number:>18} {} with {}", clean(one), clean(other)));
    }
}

fn options(explanation: &Explanation) -> String {
    match clean(&wording::options(explanation)) {
        none if none.is_empty() => none,
        some => format!(" ({some})"),
    }
}

/// Writes a text with each word on its colour, or with marks below.
fn heat_map(out: &mut String, colours: Colours, pieces: &[Piece<'_>], scale: Scale) {
    match colours {
        Colours::None => plain::heat_map(out, pieces, scale),
        _ => line(out, format_args!("  {}", coloured(colours, pieces, scale))),
    }
}

fn coloured(colours: Colours, pieces: &[Piece<'_>], scale: Scale) -> String {
    let word = |(index, piece): (usize, &Piece<'_>)| {
        let space = if piece.spaced && index > 0 { " " } else { "" };
        let style = colours.word(scale.shade(piece.score));
        format!("{space}{style}{}{style:#}", clean(piece.text))
    };
    pieces.iter().enumerate().map(word).collect()
}

/// Writes the pieces with their scores as bars, largest magnitude first.
fn bars(out: &mut String, colours: Colours, heat: &Heat<'_>) {
    let mut order: Vec<&Piece<'_>> = heat.pieces.iter().collect();
    order.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    for piece in order {
        let shade = heat.scale.shade(piece.score);
        let length = (shade.depth * BAR as f64).round() as usize;
        let bar = plain::stroke(colours, shade.hue).repeat(length);
        let style = colours.bar(shade);
        let word = clean(piece.text);
        line(out, format_args!("  {:+9.4} {style}{bar:<BAR$}{style:#} {word}", piece.score));
    }
}

fn legend(colours: Colours, scale: Scale, target: &str) -> String {
    let key = |score: f64| {
        let shade = scale.shade(score);
        let style = colours.bar(shade);
        format!("{style}{}{style:#}", plain::stroke(colours, shade.hue))
    };
    match scale.signed {
        true => format!("{} for {target}  {} against", key(1.), key(-1.)),
        false => format!("{} magnitude only, no direction", key(1.)),
    }
}
