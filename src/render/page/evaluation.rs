//! Evaluation of the methods.

use maud::{Markup, html};

use super::super::measures::{Better, Cell, Line, Measure, Table};
use super::super::room::Room;
use super::super::wording;
use super::{breaking, fold, omitted};
use crate::evaluation::REFERENCE;
use crate::explanation::Explained;

/// Renders a table of methods by measures; the best number of each column is marked.
pub fn part(explained: &Explained, room: &mut Room) -> Markup {
    let Some(evaluation) = &explained.evaluation else { return html! {} };
    let table = Table::of(evaluation);
    if table.cells() == 0 {
        return html! {};
    }
    let first = explained.explanations.first();
    let target = first.map(|one| wording::target(&one.target, &explained.tokens));
    let body = html! {
        p.xp-soft {
            "Measured on the explanations of " bdi { (target.unwrap_or_default()) }
            ". ★ marks the best value of a column."
        }
        @if room.cells(table.cells()) { (html_table(&table)) } @else { (omitted()) }
        (glossary(&table))
    };
    fold("Evaluation of the methods", &body)
}

fn html_table(table: &Table<'_>) -> Markup {
    html! {
        div.xp-wide role="group" aria-label="Measures of the methods" tabindex="0" {
            table {
                caption.xp-num { "Evaluation of the methods" }
                (head(table))
                tbody {
                    @for (index, method) in table.methods.iter().enumerate() {
                        tr {
                            th scope="row" { (breaking(method)) }
                            @for line in table.lines() { (cell(&line.cells[index])) }
                        }
                    }
                }
            }
        }
    }
}

/// A row of measures, and a second row with the parts of those that have several numbers.
fn head(table: &Table<'_>) -> Markup {
    let parts: Vec<&Measure> =
        table.measures.iter().filter(|measure| measure.is_in_parts()).collect();
    let rows = if parts.is_empty() { 1 } else { 2 };
    html! {
        thead {
            tr {
                th scope="col" rowspan=(rows) { "method" }
                @for measure in &table.measures { (heading(measure, rows)) }
            }
            @if !parts.is_empty() {
                tr {
                    @for line in parts.iter().flat_map(|measure| &measure.lines) {
                        th scope="col" { (name(line.part.unwrap_or_default(), line)) }
                    }
                }
            }
        }
    }
}

fn heading(measure: &Measure, rows: usize) -> Markup {
    let (entry, lines) = (measure.entry, &measure.lines);
    html! {
        @match lines.as_slice() {
            [line] if !measure.is_in_parts() => {
                th scope="col" rowspan=(rows) title=(entry.summary) { (name(entry.name, line)) }
            }
            _ => th scope="colgroup" colspan=(lines.len()) title=(entry.summary) {
                (breaking(entry.name))
            },
        }
    }
}

fn name(name: &str, line: &Line) -> Markup {
    html! {
        (breaking(name))
        @if line.better != Better::Neither {
            // No line break between name and arrow.
            "\u{a0}" span aria-hidden="true" { (line.better.sign()) }
            span.xp-num { " (" (line.better.words()) ")" }
        }
    }
}

fn cell(cell: &Cell) -> Markup {
    html! {
        td.xp-n {
            @match cell.number {
                Some(number) if cell.best => strong { "★ " (format!("{number:.3}")) },
                Some(number) => (format!("{number:.3}")),
                None => "–",
            }
        }
    }
}

/// Explains the measures.
fn glossary(table: &Table<'_>) -> Markup {
    html! {
        details {
            summary { "what the measures mean" }
            ul.xp-soft {
                @for entry in table.measures.iter().map(|measure| measure.entry) {
                    li {
                        strong { (entry.name) } " " (entry.summary) " Better: " (entry.better)
                        ". " (entry.paper) "."
                    }
                }
                @if table.methods.contains(&REFERENCE) {
                    li { strong { (REFERENCE) } " Mean of ten random rankings, for comparison." }
                }
            }
        }
    }
}
