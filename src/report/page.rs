//! The report as a page that stands alone.

use maud::{DOCTYPE, PreEscaped, html};

use super::Summary;
use super::markdown::{COLUMNS, READING, cells, setting};
use super::plots::Plot;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:80em;margin:0 auto;\
padding:1em;color:#1a1a1a;background:#fff}table{border-collapse:collapse;display:block;\
overflow-x:auto;font-size:.9em}th,td{padding:.25em .75em;border-bottom:1px solid #ccc;\
text-align:start;white-space:nowrap}td:not(:first-child){font-variant-numeric:tabular-nums}\
figure{margin:1em 0}svg{max-width:100%;height:auto}";

pub fn render(summary: &Summary, plots: &[Plot]) -> String {
    let title = format!("Which method to trust for {}", summary.model);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    ul { @for sentence in &summary.verdict { li { (sentence) } } }
                    p { (setting(summary)) }
                    table {
                        thead { tr { @for column in COLUMNS { th scope="col" { (column) } } } }
                        tbody {
                            @for row in summary.rows.iter().chain(&summary.random) {
                                (table_row(&cells(row)))
                            }
                        }
                    }
                    p { (READING) }
                    @for plot in plots {
                        // Made by this crate, with every name in it escaped.
                        figure { (PreEscaped(&plot.svg)) }
                    }
                }
            }
        }
    }
    .into_string()
}

fn table_row(cells: &[String; COLUMNS.len()]) -> maud::Markup {
    html! {
        tr {
            th scope="row" { (cells[0]) }
            @for cell in &cells[1..] { td { (cell) } }
        }
    }
}
