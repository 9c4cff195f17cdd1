//! Pages about the problems that the service has.

use maud::html;

use super::page::document;

/// One kind of problem.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub code: &'static str,
    pub title: &'static str,
    pub status: u16,
    /// What it means.
    pub meaning: &'static str,
    /// When it happens.
    pub when: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The page of one problem.
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

/// The list of all problems.
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
