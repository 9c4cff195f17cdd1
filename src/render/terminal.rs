//! An explanation for the terminal: words on a background whose colour says for
//! or against, whose depth says how much.
//!
//! Orange and blue stay apart for colour-blind eyes. The text explained may be
//! hostile: control and direction characters in it come out as `�`.

use std::fmt::Write;

use anstyle::{Color, Reset, RgbColor, Style};

use crate::attribution::Granularity;
use crate::attribution::OptionValue;
use crate::explanation::{Answer, Explained, Explanation, Predicted, Prediction, Resolved, What};
use crate::model::Model;

/// Columns of the longest bar.
const BAR: usize = 24;

/// The heat maps of an answer to one text, or a pair.
pub fn render(answer: &Answer, texts: &[&str]) -> String {
    let mut out = String::new();
    for (_, result) in &answer.results {
        match result {
            Ok(explained) => explained_text(&mut out, &answer.model, explained, texts),
            Err(error) => line(&mut out, format_args!("{error}")),
        }
    }
    out
}

/// Writing to a String cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

fn explained_text(out: &mut String, model: &Model, explained: &Explained, texts: &[&str]) {
    predicted_text(out, &explained.predicted);
    for explanation in &explained.explanations {
        explanation_text(out, model, explained, explanation, texts);
    }
    if explained.truncated {
        line(out, format_args!("\nThe text was cut to fit the model."));
    }
}

fn predicted_text(out: &mut String, predicted: &Predicted) {
    let bold = Style::new().bold();
    match predicted {
        Predicted::Labels(predictions) => predictions_text(out, predictions),
        Predicted::Tokens { entities, .. } => {
            for entity in entities {
                let (text, label) = (clean(&entity.text), clean(&entity.label));
                line(out, format_args!("{bold}{label}{bold:#}  {:.3}  {text}", entity.probability));
            }
        }
        Predicted::Answer { answer, .. } => {
            let text = clean(&answer.text);
            line(out, format_args!("{bold}{text}{bold:#}  {:.3}", answer.probability));
        }
        Predicted::Masks(masks) => {
            for mask in masks {
                line(out, format_args!("token {}", mask.token));
                predictions_text(out, &mask.predictions);
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

fn predictions_text(out: &mut String, predictions: &[Prediction]) {
    let bold = Style::new().bold();
    for (place, prediction) in predictions.iter().enumerate() {
        let style = if place == 0 { bold } else { Style::new() };
        let label = clean(&prediction.label);
        let (probability, logit) = (prediction.probability, prediction.logit);
        let numbers = format_args!("{probability:.3}  (logit {logit:+.3})");
        line(out, format_args!("{style}{label}{style:#}  {numbers}"));
    }
}

fn explanation_text(
    out: &mut String,
    model: &Model,
    explained: &Explained,
    explanation: &Explanation,
    texts: &[&str],
) {
    let found = explanation.scores.iter().find(|(unit, _)| *unit == Granularity::Word);
    let Some((_, scores)) = found else { return };
    let target = target_name(&explanation.target, model);
    let bold = Style::new().bold();
    let method = explanation.method.name;
    line(out, format_args!("\n{bold}{method}{bold:#} of {target}{}", options(explanation)));
    let largest = scores.iter().fold(0., |max: f64, score| max.max(score.abs()));
    line(out, format_args!(""));
    for segment in 0..texts.len() {
        line(out, format_args!("  {}", heat_map(explained, scores, largest, segment, texts)));
    }
    line(out, format_args!(""));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].abs().total_cmp(&scores[a].abs()));
    for i in order {
        let share = if largest > 0. { scores[i].abs() / largest } else { 0. };
        let bar = "█".repeat((share * BAR as f64).round() as usize);
        let style = Style::new().fg_color(Some(colour(scores[i], 1.)));
        let word = clean(&explained.words[i].text);
        line(out, format_args!("  {:+9.4} {style}{bar:<BAR$}{style:#} {word}", scores[i]));
    }
    legend(out, explanation, &target);
}

fn legend(out: &mut String, explanation: &Explanation, target: &str) {
    let (for_style, against) =
        (Style::new().fg_color(Some(colour(1., 1.))), Style::new().fg_color(Some(colour(-1., 1.))));
    match explanation.method.signed {
        true => line(
            out,
            format_args!("\n{for_style}█{for_style:#} for {target}  {against}█{against:#} against"),
        ),
        false => line(out, format_args!("\n{for_style}█{for_style:#} how much, not which way")),
    }
    if let Some(completeness) = explanation.completeness {
        let verdict = if completeness.converged { "converged" } else { "not converged" };
        let delta = completeness.convergence_delta;
        let steps = completeness.n_steps.map_or_else(String::new, |n| format!(" in {n} steps"));
        line(out, format_args!("scores miss their sum by {delta:+.5}: {verdict}{steps}"));
    }
}

/// One text with each word on its colour.
fn heat_map(
    explained: &Explained,
    scores: &[f64],
    largest: f64,
    segment: usize,
    texts: &[&str],
) -> String {
    let chars: Vec<char> = texts[segment].chars().collect();
    let mut out = String::new();
    let mut end = 0;
    let words = explained.words.iter().zip(scores);
    for (word, &score) in words.filter(|(word, _)| word.segment == segment) {
        let between: String = chars[end..word.start].iter().collect();
        end = word.end;
        let depth = if largest > 0. { score.abs() / largest } else { 0. };
        let style = Style::new()
            .bg_color(Some(colour(score, depth)))
            .fg_color(Some(Color::Rgb(RgbColor(0, 0, 0))));
        let _ = write!(out, "{}{style}{}{Reset}", clean(&between), clean(&word.text));
    }
    out
}

/// From white at depth 0 to orange (for) or blue (against) at depth 1.
fn colour(score: f64, depth: f64) -> Color {
    let full = if score >= 0. { [230, 130, 20] } else { [70, 150, 230] };
    let mix = |channel: u8| (255. + (f64::from(channel) - 255.) * depth.clamp(0., 1.)) as u8;
    Color::Rgb(RgbColor(mix(full[0]), mix(full[1]), mix(full[2])))
}

fn target_name(target: &Resolved, model: &Model) -> String {
    let label = |index: usize| clean(&model.label(index));
    let name = match target.what {
        What::Class(index) => label(index),
        What::Contrast(a, b) => format!("{} rather than {}", label(a), label(b)),
        What::Border(border) => border.name().to_owned(),
        What::Cosine(0) => "the cosine, by the first text".to_owned(),
        What::Cosine(_) => "the cosine, by the second text".to_owned(),
    };
    match target.token {
        Some(token) => format!("{name} at token {token}"),
        None => name,
    }
}

fn options(explanation: &Explanation) -> String {
    let value = |value: &OptionValue| match value {
        OptionValue::Name(name) => (*name).to_owned(),
        OptionValue::Integer(number) => number.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::Text(text) => format!("{:?}", clean(text)),
    };
    let list: Vec<String> =
        explanation.options.iter().map(|(name, v)| format!("{name} {}", value(v))).collect();
    if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) }
}

/// The text without characters that move the cursor, colour the screen or turn
/// the writing direction.
fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let safe = |c: char| if c.is_control() || turns(c) { '\u{fffd}' } else { c };
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { safe(c) }).collect()
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn hostile_text_comes_out_inert() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\r\n\u{9b}d"), "a�[31mb�c� �d");
    }
}
