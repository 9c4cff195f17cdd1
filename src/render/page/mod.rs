//! An answer as a page that stands alone: no script, nothing from elsewhere, and
//! a style that keeps to its own elements, so that a notebook can hold it.
//!
//! maud escapes what is written into it, and the whole is cleaned at the end:
//! nothing of a text, a label or an id can act on who opens it.

mod agreement;
mod evaluation;
mod explanation;
mod legend;
mod matrices;
mod matrix;
mod patterns;
mod predicted;
mod style;
mod warnings;
mod windows;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::clean::clean;
use super::room::{CELLS, Room};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Explained};
use crate::model::Model;
use crate::script::Script;

/// The page of an answer; `problem` says an input's error in words.
pub fn render(answer: &Answer, problem: impl Fn(&Error) -> String) -> String {
    let title = format!("What {} made of it", answer.model.id);
    let body = html! {
        (model(&answer.model))
        (results(answer, problem))
    };
    clean(&document(&title, &body))
}

/// A whole page with this title, in the style of all.
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
    html! {
        @for (place, (id, result)) in answer.results.iter().enumerate() {
            section.xp-result.xp-line {
                h2 { (heading(place, id.as_deref())) }
                (one(&answer.model, result, &mut room, &problem))
            }
        }
    }
}

fn one(
    model: &Model,
    result: &Result<Explained>,
    room: &mut Room,
    problem: impl Fn(&Error) -> String,
) -> Markup {
    match result {
        Ok(explained) => parts(model, explained, room),
        Err(error) => html! { p.xp-error { "No answer. " (problem(error)) } },
    }
}

fn heading(place: usize, id: Option<&str>) -> Markup {
    html! {
        "Input " (place + 1)
        @if let Some(id) = id { ": " bdi { (id) } }
    }
}

fn model(model: &Model) -> Markup {
    html! {
        p.xp-soft {
            (model.architecture) ", " (model.task.name()) ", " (model.dtype()) " on "
            (model.device()) ". Revision " (model.revision)
        }
    }
}

/// What is said of one input, part by part.
fn parts(model: &Model, explained: &Explained, room: &mut Room) -> Markup {
    html! {
        (warnings::part(&explained.warnings))
        (predicted::part(explained))
        @if explained.truncated { p { "The text was cut to fit the model." } }
        @for explanation in &explained.explanations {
            (explanation::part(model, explained, explanation, room))
        }
        (windows::part(explained, room))
        (evaluation::part(explained, room))
        (agreement::part(explained, room))
        (matrices::attention(explained, room))
        (matrices::similarity(explained, room))
    }
}

/// A name of the service's own that may be cut after each underscore.
fn breaking(name: &str) -> Markup {
    html! {
        @for (place, part) in name.split('_').enumerate() {
            @if place > 0 { "_" wbr; }
            (part)
        }
    }
}

/// In the place of a table that the page has no room for.
fn too_much() -> Markup {
    html! {
        p { "Not drawn: a page holds " (CELLS) " cells. application/json has all of it." }
    }
}

/// The language of the text explained, which the page's own is not; empty where
/// nobody knows.
fn language(model: &Model) -> &'static str {
    match model.script {
        Some(Script::Han) => "zh",
        Some(Script::Latin) => "en",
        None => "",
    }
}
