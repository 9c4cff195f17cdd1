//! The heat maps of an answer's first result as an SVG picture, for where a page
//! is too much: a README, a slide, an `<img>`.
//!
//! There are no fonts to measure here. Text is set in columns, of which a Chinese
//! character takes two, and every word is stretched to the columns it has.

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

/// The picture of an answer's first result, or its error.
pub fn render(answer: &Answer) -> Result<String> {
    let first = answer.results.first().ok_or_else(|| Error::internal("no results"))?;
    let explained = first.1.as_ref().map_err(Clone::clone)?;
    let model = &answer.model;
    let mut drawing = Drawing::default();
    drawing.heading(&wording::answer(&explained.predicted));
    let mut room = Room::new();
    let mut said = Vec::new();
    for explanation in &explained.explanations {
        // Words, where there are scores of words; else what comes next.
        if let Some(heat) = Heat::all(explained, explanation).into_iter().next() {
            said.push(one(&mut drawing, explained, explanation, &heat, &mut room));
        }
    }
    if explained.truncated {
        drawing.line("The text was cut to fit the model.");
    }
    if !explained.warnings.is_empty() {
        let warnings = warnings(explained);
        drawing.line(&warnings);
        said.push(warnings);
    }
    Ok(clean(&framed(model, explained, &drawing, &said).into_string()))
}

/// Draws one explanation and gives it in words, for those who hear the picture.
fn one(
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
        let note = format!("Not drawn: a picture holds {WORDS} scores.");
        drawing.line(&note);
        return format!("{heading}: {note}");
    }
    for text in heat.texts() {
        drawing.words(text, heat.scale);
    }
    legend(drawing, heat.scale, &target);
    if let Some(completeness) = explanation.completeness {
        drawing.line(&wording::completeness(completeness));
    }
    format!("{heading}: {}.", numbers(heat))
}

/// What to know before believing it, in a line.
fn warnings(explained: &Explained) -> String {
    let details = explained.warnings.iter().map(|warning| warning.detail.as_str());
    format!("⚠ Read with care: {}.", details.collect::<Vec<_>>().join("; "))
}

fn legend(drawing: &mut Drawing, scale: Scale, target: &str) {
    match scale.signed {
        true => {
            drawing.swatches(scale, &[-1., -0.5, 0., 0.5, 1.]);
            drawing.line(&format!("blue: against; orange: for {target}"));
        }
        false => {
            drawing.swatches(scale, &[0., 0.5, 1.]);
            drawing.line("how much, not which way");
        }
    }
}

/// Each piece with its score.
fn numbers(heat: &Heat<'_>) -> String {
    let one = |piece: &Piece<'_>| format!("{} {}", piece.text, heat.scale.number(piece.score));
    heat.pieces.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn framed(model: &Model, explained: &Explained, drawing: &Drawing, said: &[String]) -> Markup {
    let height = drawing.height();
    html! {
        svg.xp xmlns="http://www.w3.org/2000/svg" width=(WIDTH) height=(height)
            viewBox=(format!("0 0 {WIDTH} {height}")) lang="en" role="img"
            aria-labelledby="xp-title xp-desc" {
            title id="xp-title" { "What " (model.id) " made of it" }
            desc id="xp-desc" {
                (wording::answer(&explained.predicted)) ". " (said.join(" "))
            }
            style { (PreEscaped(drawing::LAYOUT)) (PreEscaped(sheet::colours())) }
            rect.xp-ground width="100%" height="100%" {}
            (drawing.body())
        }
    }
}
