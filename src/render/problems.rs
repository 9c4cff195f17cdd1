//! HTML pages that document the service's error codes.

use maud::html;

use super::page::document;

/// Documentation of one error code.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub code: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub meaning: &'static str,
    /// When it occurs.
    pub when: &'static str,
    pub remedy: &'static str,
}

/// Renders the page of one error code.
pub fn page(entry: &Entry) -> String {
    document(
        entry.title,
        &html! {
            p.xp-soft { "Status " (entry.status) ", code " code { (entry.code) } }
            h2 { "What it means" }
            p { (entry.meaning) }
            h2 { "When it happens" }
            p { (entry.when) }
            h2 { "What to do" }
            p { (entry.remedy) }
            p { a href="/problems" { "All problems" } }
        },
    )
}

/// Renders the list of all error codes.
pub fn index(entries: &[Entry]) -> String {
    document(
        "Problems",
        &html! {
            table {
                thead {
                    tr { th { "Status" } th { "Code" } th { "What it means" } }
                }
                tbody {
                    @for entry in entries {
                        tr {
                            td { (entry.status) }
                            td { a href={ "/problems/" (entry.code) } { (entry.code) } }
                            td { (entry.meaning) }
                        }
                    }
                }
            }
        },
    )
}
