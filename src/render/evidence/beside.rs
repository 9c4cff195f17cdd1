//! Evidence in the answers of POST /explain.

use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::examples::ExamplesBody;
use super::{Show, UNFINISHED};
use crate::evidence::examples;
use crate::explanation::{Found, found};
use crate::model::Model;
use crate::render::paint::{Colours, line};

/// The evidence for an input, by kind.
#[derive(Serialize, ToSchema)]
pub struct EvidenceBody {
    /// The result of POST /examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    examples: Option<KindBody<ExamplesBody>>,
}

/// The evidence of one kind, with the fields of its own route.
#[derive(Serialize, ToSchema)]
pub struct KindBody<T> {
    #[serde(flatten)]
    found: T,
    /// Whether the search completed; false if time ran out.
    finished: bool,
}

type AllFound = [Box<dyn Found>];

/// How a page and the terminal show one kind.
struct Section {
    page: fn(&AllFound, &Model) -> Option<Markup>,
    terminal: fn(&AllFound, &mut String, Colours, &Model),
}

/// The sections, in the order in which they are shown.
static SECTIONS: [Section; 1] = [section::<examples::Found>()];

const fn section<F: Show>() -> Section {
    Section {
        page: |all, model| {
            let one = found::<F>(all)?;
            Some(html! {
                (one.page(model))
                @if !one.is_finished() { p { (UNFINISHED) } }
            })
        },
        terminal: |all, out, colours, model| {
            let Some(one) = found::<F>(all) else { return };
            line(out, format_args!(""));
            one.terminal(out, colours, model);
            if !one.is_finished() {
                line(out, format_args!("\n{UNFINISHED}"));
            }
        },
    }
}

/// Converts the evidence for one input; `None` if none was asked for.
pub fn json(all: &[Box<dyn Found>], model: &Model) -> Option<EvidenceBody> {
    (!all.is_empty()).then(|| EvidenceBody { examples: body::<examples::Found>(all, model) })
}

fn body<F: Show>(all: &[Box<dyn Found>], model: &Model) -> Option<KindBody<F::Json>> {
    found::<F>(all).map(|one| KindBody { found: one.json(model), finished: one.is_finished() })
}

/// Renders the sections of a page.
pub fn page(all: &[Box<dyn Found>], model: &Model) -> Markup {
    let sections = SECTIONS.iter().filter_map(|section| (section.page)(all, model));
    html! { @for section in sections { (section) } }
}

/// Appends the sections for the terminal.
pub fn terminal(all: &[Box<dyn Found>], out: &mut String, colours: Colours, model: &Model) {
    SECTIONS.iter().for_each(|section| (section.terminal)(all, out, colours, model));
}
