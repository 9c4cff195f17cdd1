//! The heat maps of the first result as an SVG picture, for use in a README, a slide or an `<img>`.
//!
//! Font metrics are unknown here. Text is laid out in monospace columns, of which a Chinese
//! character takes two, and every word is stretched to the width of its columns.

mod drawing;

use maud::{Markup, PreEscaped, html};

use super::clean::clean;
use super::heat::{Heat, Piece, Scale};
use super::room::{Room, WORDS};
use super::{sheet, wording};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Explained, Explanation};
use crate::model::Model;
use drawing::{Drawing, WIDTH};

/// Renders the first result, or returns its error.
pub fn render(answer: &Answer) -> Result<String> {
    let first = answer.results.first().ok_or_else(|| Error::internal("no results"))?;
    let explained = first.1.as_ref().map_err(Clone::clone)?;
    let model = &answer.model;
    let mut drawing = Drawing::default();
    drawing.heading(&wording::prediction(&explained.predicted));
    let mut room = Room::new();
    let mut descriptions = Vec::new();
    for explanation in &explained.explanations {
        // Word scores if there are any, otherwise those of the next granularity.
        if let Some(heat) = Heat::all(explained, explanation).into_iter().next() {
            descriptions.push(draw(&mut drawing, explained, explanation, &heat, &mut room));
        }
    }
    if explained.truncated {
        drawing.line(wording::TRUNCATED);
    }
    if !explained.warnings.is_empty() {
        let warnings = warnings(explained);
        drawing.line(&warnings);
        descriptions.push(warnings);
    }
    Ok(clean(&svg(model, explained, &drawing, &descriptions).into_string()))
}

/// Draws one explanation and returns a description in words for screen readers.
fn draw(
    drawing: &mut Drawing,
    explained: &Explained,
    explanation: &Explanation,
    heat: &Heat<'_>,
    room: &mut Room,
) -> String {
    let target = wording::target(&explanation.target, &explained.tokens);
    let heading = format!("{} of {target}", explanation.method.name);
    drawing.heading(&heading);
    drawing.line(&wording::options(explanation));
    if !room.words(heat.pieces.len()) {
        let note = format!("Not shown: a picture is limited to {WORDS} scores.");
        drawing.line(&note);
        return format!("{heading}: {note}");
    }
    for text in heat.texts() {
        drawing.words(text, heat.scale);
    }
    legend(drawing, heat.scale, &target);
    for text in wording::certainty(explanation) {
        drawing.line(&text);
    }
    format!("{heading}: {}.", numbers(heat))
}

/// Joins the warnings in one line.
fn warnings(explained: &Explained) -> String {
    let details = explained.warnings.iter().map(|warning| warning.detail.as_str());
    format!("⚠ Read with care: {}.", details.collect::<Vec<_>>().join("; "))
}

fn legend(drawing: &mut Drawing, scale: Scale, target: &str) {
    drawing.scale_bar(scale);
    match scale.signed {
        true => drawing.line(&format!("blue: against; orange: for {target}")),
        false => drawing.line("magnitude only, no direction"),
    }
}

/// Lists each piece with its score.
fn numbers(heat: &Heat<'_>) -> String {
    let number = |piece: &Piece<'_>| format!("{} {}", piece.text, heat.scale.number(piece.score));
    heat.pieces.iter().map(number).collect::<Vec<_>>().join(", ")
}

fn svg(model: &Model, explained: &Explained, drawing: &Drawing, texts: &[String]) -> Markup {
    let height = drawing.height();
    html! {
        svg.xp xmlns="http://www.w3.org/2000/svg" width=(WIDTH) height=(height)
            viewBox=(format!("0 0 {WIDTH} {height}")) lang="en" role="img"
            aria-labelledby="xp-title xp-desc" {
            title id="xp-title" { "Predictions of " (model.id) ", explained" }
            desc id="xp-desc" {
                (wording::prediction(&explained.predicted)) ". " (texts.join(" "))
            }
            style { (PreEscaped(drawing::LAYOUT)) (PreEscaped(sheet::colours())) }
            rect.xp-ground width="100%" height="100%" {}
            (drawing.body())
        }
    }
}
