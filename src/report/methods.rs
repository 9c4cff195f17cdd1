//! The report on methods as a document.

use super::Summary;
use super::document::{Block, Document};
use super::row::Row;
use super::{people, plots};
use crate::evaluation::interval::Interval;

/// Titles of the columns.
const COLUMNS: [&str; 11] = [
    "method",
    "mean rank",
    "comprehensiveness ↑",
    "sufficiency ↓",
    "infidelity ↓",
    "LOO τ ↑",
    "baseline change",
    "effective words",
    "converged",
    "rows (forward + gradient)",
    "compute ms",
];

/// Returns the report with its plots.
pub fn document(summary: &Summary) -> Document {
    let rows = summary.rows.iter().chain(&summary.random);
    let mut blocks = vec![
        Block::Bullets(summary.verdict.clone()),
        Block::Paragraph(setting(summary)),
        Block::table(&COLUMNS, rows.map(|row| cells(row).to_vec()).collect()),
        Block::Paragraph(READING.to_owned()),
    ];
    blocks.extend(plots::all(summary).into_iter().map(Block::Plot));
    let random = summary.random.as_ref();
    blocks.extend(people::blocks(&summary.rows, random, summary.marked, &summary.other_reasons));
    blocks.extend(plots::plausibility(summary).map(Block::Plot));
    Document { title: format!("Which method to trust for {}", summary.model), blocks }
}

/// How to read the columns.
const READING: &str = "Brackets are 95 % bootstrap intervals over texts. The mean rank is over \
comprehensiveness, sufficiency and infidelity (1 is the best). LOO τ is the rank correlation with \
leave one out, so it compares occlusion with itself. Baseline change is how far the words' scores \
move with another token or the zero vector as the baseline. Rows and time are per explanation.";

/// Describes the data and the setup of the measurements.
fn setting(summary: &Summary) -> String {
    let accuracy = summary
        .accuracy
        .map_or_else(String::new, |share| format!(" The model is right on {:.1} %.", 100. * share));
    let failed = match summary.failed {
        0 => String::new(),
        count => format!(" {count} more could not be explained."),
    };
    format!(
        "{} texts of {}, {:.1} tokens on average, seed {}.{accuracy}{failed} Model {}, {}, \
         revision {}. Words are removed; rationales are 1, 5, 10, 20 and 50 % of the words, at \
         least one (ERASER). The predicted label's logit is explained; each method has its default \
         options.",
        summary.texts,
        summary.data,
        summary.tokens,
        summary.seed,
        summary.model,
        summary.architecture,
        summary.revision,
    )
}

/// Returns the cells of one row of the table.
fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let interval = |found: Option<Interval>, digits: usize| match found {
        Some(Interval { mean, low, high }) => {
            format!("{mean:.digits$} [{low:.digits$}, {high:.digits$}]")
        }
        None => String::new(),
    };
    let number = |found: Option<f64>, digits: usize| {
        found.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    let rows = match row.forward_rows + row.gradient_rows {
        0. => String::new(),
        _ => format!("{:.0} + {:.0}", row.forward_rows, row.gradient_rows),
    };
    let compute = row.compute.as_secs_f64() * 1e3;
    [
        row.method.clone(),
        interval(row.mean_rank, 1),
        interval(row.comprehensiveness, 3),
        interval(row.sufficiency, 3),
        interval(row.infidelity, 3),
        interval(row.loo_correlation, 2),
        number(row.baseline_change, 2),
        number(row.effective_words, 1),
        row.converged.map_or_else(String::new, |share| format!("{:.0} %", 100. * share)),
        rows,
        if compute > 0. { format!("{compute:.2}") } else { String::new() },
    ]
}
