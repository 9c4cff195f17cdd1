//! The report as Markdown, with its pictures beside it.

use std::fmt::Write;

use super::Summary;
use super::plots::Plot;
use super::summary::{Interval, Row};

/// What the columns are called.
pub const COLUMNS: [&str; 11] = [
    "method",
    "mean place",
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

pub fn render(summary: &Summary, plots: &[Plot]) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line(&format!("# Which method to trust for {}\n", escape(&summary.model)));
    for sentence in &summary.verdict {
        line(&format!("- {}", escape(sentence)));
    }
    line(&format!("\n{}\n", escape(&setting(summary))));
    line(&format!("| {} |", COLUMNS.join(" | ")));
    line(&format!("|{}", "---|".repeat(COLUMNS.len())));
    for row in summary.rows.iter().chain(&summary.random) {
        line(&format!("| {} |", cells(row).map(|cell| escape(&cell)).join(" | ")));
    }
    line(&format!("\n{READING}\n"));
    for plot in plots {
        line(&format!("![{}]({})\n", plot.title, plot.file));
    }
    out
}

/// How the columns are to be read.
pub const READING: &str = "Brackets are 95 % intervals by the bootstrap over texts. The mean place \
is by comprehensiveness, sufficiency and infidelity (1 is the best). LOO τ is the rank correlation \
with leave one out, so occlusion is judged by itself there. Baseline change is how far the words' \
scores move when absence is another token or the zero vector. Rows and time are of one explanation.";

/// What was measured on what.
pub fn setting(summary: &Summary) -> String {
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

/// One row of the table.
pub fn cells(row: &Row) -> [String; COLUMNS.len()] {
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

/// Text that means nothing to Markdown or HTML.
fn escape(text: &str) -> String {
    let escaped = |c: char| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '|' | '`' | '*' | '\\' => format!("\\{c}"),
        c if c.is_control() => "\u{fffd}".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
