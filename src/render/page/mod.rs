//! A response as a self-contained HTML page: no scripts, no external resources, and styles only for
//! its own elements, so that it can be embedded in a notebook.
//!
//! maud escapes all inserted text, and `clean` runs over the whole page at the end: texts, labels
//! and ids from the request cannot inject markup or control characters.

mod agreement;
mod concepts;
mod evaluation;
mod explanation;
mod inside;
mod legend;
mod matrices;
mod matrix;
mod pairs;
mod patterns;
mod predicted;
mod strongest;
mod style;
mod warnings;
mod windows;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::clean::clean;
use super::columns::fitted;
use super::evidence::beside;
use super::room::{CELLS, Room};
use super::summary::Summary;
use super::wording;
use crate::error::{Error, Result};
use crate::explanation::{Answer, Explained};
use crate::model::Model;
use crate::script::Script;

/// Columns of a text in a heading.
const HEADING: usize = 160;

/// Renders the page of an answer; `problem` describes the error of an input. It begins with the text
/// and what was found about it. The details are folded away.
pub fn render(answer: &Answer, problem: impl Fn(&Error) -> String) -> String {
    let title = match answer.results.as_slice() {
        [(id, result)] => heading(0, id.as_deref(), result),
        several => format!("{} texts, explained by {}", several.len(), answer.model.id),
    };
    let body = html! {
        (results(answer, problem))
        (fold("The model", &model(&answer.model)))
    };
    clean(&document(&title, &body))
}

/// Renders a whole page with this title and the common style.
pub fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(style::sheet())) }
            }
            body {
                main.xp lang="en" {
                    h1 { (title) }
                    (body)
                }
            }
        }
    };
    page.into_string()
}

fn results(answer: &Answer, problem: impl Fn(&Error) -> String) -> Markup {
    let mut room = Room::new();
    let several = answer.results.len() > 1;
    html! {
        @for (index, (id, result)) in answer.results.iter().enumerate() {
            section.xp-result.xp-line {
                @if several {
                    h2 { bdi { (heading(index, id.as_deref(), result)) } }
                } @else {
                    h2.xp-num { "Explanation" }
                }
                (input_result(&answer.model, result, &mut room, &problem))
            }
        }
    }
}

fn input_result(
    model: &Model,
    result: &Result<Explained>,
    room: &mut Room,
    problem: impl Fn(&Error) -> String,
) -> Markup {
    match result {
        Ok(explained) => parts(model, explained, room),
        Err(error) => html! { p.xp-error { "Error: " (problem(error)) } },
    }
}

/// An input's id and text.
fn heading(index: usize, id: Option<&str>, result: &Result<Explained>) -> String {
    let text = result.as_ref().ok().map(|explained| quoted(&wording::text(&explained.words)));
    let parts = [id.map(str::to_owned), text].into_iter().flatten();
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true => input(index, None),
        false => parts.join(": "),
    }
}

/// A text in a heading.
pub fn quoted(text: &str) -> String {
    fitted(text, HEADING)
}

/// The number of an input that cannot be shown otherwise.
pub fn input(index: usize, id: Option<&str>) -> String {
    id.map_or_else(|| format!("Input {}", index + 1), str::to_owned)
}

/// A part that is folded away, under its heading.
fn fold(heading: &str, body: &Markup) -> Markup {
    html! { details.xp-fold { summary { h3 { (heading) } } (body) } }
}

pub fn model(model: &Model) -> Markup {
    html! {
        p.xp-soft {
            (model.architecture) ", " (model.task.name()) ", " (model.dtype()) " on "
            (model.device()) ". Revision " (model.revision)
        }
    }
}

/// Renders all parts of the result of one input.
fn parts(model: &Model, explained: &Explained, room: &mut Room) -> Markup {
    html! {
        p.xp-verdict { bdi { (Summary::of(explained, model).en) } }
        (warnings::part(&explained.warnings))
        @if explained.truncated { p { (wording::TRUNCATED) } }
        @for explanation in &explained.explanations {
            (explanation::part(model, explained, explanation, room))
        }
        (fold("Prediction", &predicted::part(explained)))
        (windows::part(explained, room))
        (evaluation::part(explained, room))
        (agreement::part(explained, room))
        (beside::page(&explained.evidence, model))
        (inside::part(explained, room))
        (concepts::part(explained, room))
        (matrices::attention(explained, room))
        (matrices::similarity(explained, room))
    }
}

/// A snake-case name with an optional line break after each underscore.
fn breaking(name: &str) -> Markup {
    html! {
        @for (index, part) in name.split('_').enumerate() {
            @if index > 0 { "_" wbr; }
            (part)
        }
    }
}

/// Replaces a table that exceeds the size limit of the page.
fn omitted() -> Markup {
    html! {
        p { "Not shown: a page is limited to " (CELLS) " cells. application/json contains all." }
    }
}

/// Returns the language of the input text, which differs from the page's; empty if unknown.
pub fn language(model: &Model) -> &'static str {
    match model.script {
        Some(Script::Han) => "zh",
        Some(Script::Latin) => "en",
        None => "",
    }
}
