//! The report as a document and for the terminal.

use super::summary::MIN_TEXTS;
use super::tally::Worst;
use super::{ChangeRow, PropertyRow, Summary};
use crate::evaluation::interval::Interval;
use crate::render::clean::clean;
use crate::report::append_counts;
use crate::report::document::{Block, Document};
use crate::report::svg::{Plot, forest, short};

/// The most changes in a table, and in a plot.
const IN_TABLE: usize = 40;
const IN_PLOT: usize = 25;

/// The most labels with a column or a plot of their own. The JSON has all of them.
const LABELS: usize = 4;

/// The most characters of a text and of a change that are shown.
const WIDEST_TEXT: usize = 160;
const WIDEST_CHANGE: usize = 40;

/// Titles of the columns of the first table.
const COLUMNS: [&str; 6] =
    ["property", "texts affected", "variants", "texts that fail", "fail rate", "mean |shift|"];

const EXAMPLES: [&str; 5] = ["change", "text", "changed to", "label", "shift"];

const READING: &str = "A text fails a property if any of its variants has another label. The fail \
rate is the share of the affected texts that fail, with Wilson's 95 % interval. The shift is the \
change of the probability of the text's own label; its mean is over texts, of the mean over the \
variants of each, with a 95 % bootstrap interval over texts. A change that two properties share \
counts for the first of them.";

pub fn document(summary: &Summary) -> Document {
    let rows = summary.properties.iter().map(|row| cells(row).to_vec()).collect();
    let mut blocks = vec![
        Block::Bullets(summary.properties.iter().map(sentence).collect()),
        Block::Paragraph(setting(summary)),
        Block::table(&COLUMNS, rows),
        Block::Paragraph(READING.to_owned()),
        Block::Plot(plot(summary, "fail-rate.svg", "Fail rate, with 95 % intervals", |row| {
            row.fail_rate
        })),
        Block::Plot(plot(
            summary,
            "shift.svg",
            "Mean absolute shift of the probability, with 95 % intervals",
            |row| row.shift,
        )),
    ];
    blocks.extend(changes(summary));
    for row in summary.properties.iter().filter(|row| !row.worst.is_empty()) {
        blocks.push(Block::Heading(format!("Largest effects of {}", row.property)));
        let rows = row.worst.iter().map(|worst| example(worst, summary).to_vec()).collect();
        blocks.push(Block::table(&EXAMPLES, rows));
    }
    Document { title: format!("What changes the predictions of {}", summary.model), blocks }
}

fn sentence(row: &PropertyRow) -> String {
    match row.fail_rate {
        None => format!("{}: no text has anything to change.", row.property),
        Some(rate) => format!(
            "{}: {} of {} texts fail, {}.",
            row.property,
            row.failed,
            row.affected,
            percent(rate)
        ),
    }
}

/// Describes the data and the setup.
fn setting(summary: &Summary) -> String {
    let labels = summary.labels.iter().zip(&summary.predicted);
    let labels: Vec<String> = labels.map(|(label, count)| format!("{label} for {count}")).collect();
    let mut text = format!(
        "{} of the {} distinct texts of {}. The model predicts {}. Model {}, revision {}, seed {}.",
        summary.texts,
        summary.of,
        summary.data,
        labels.join(", "),
        summary.model,
        summary.revision,
        summary.seed,
    );
    append_counts(
        &mut text,
        &[
            (summary.repeated, "repetitions of a text were left out"),
            (summary.truncated, "texts were truncated to fit the model"),
            (
                summary.left_out,
                "variants were left out, because a text has too many or is too long",
            ),
            (summary.failed, "texts could not be probed"),
            (summary.left, "texts were not begun in time; run the command again to continue"),
        ],
    );
    text
}

fn cells(row: &PropertyRow) -> [String; COLUMNS.len()] {
    [
        row.property.clone(),
        row.affected.to_string(),
        row.variants.to_string(),
        row.failed.to_string(),
        row.fail_rate.map_or_else(String::new, percent),
        row.shift.map_or_else(String::new, |shift| {
            format!("{:.3} [{:.3}, {:.3}]", shift.mean, shift.low, shift.high)
        }),
    ]
}

fn percent(rate: Interval) -> String {
    let [mean, low, high] = [rate.mean, rate.low, rate.high].map(|share| 100. * share);
    format!("{mean:.1} % [{low:.1}, {high:.1}]")
}

fn plot(
    summary: &Summary,
    file: &str,
    title: &str,
    of: fn(&PropertyRow) -> Option<Interval>,
) -> Plot {
    let rows: Vec<(String, Interval)> = summary
        .properties
        .iter()
        .filter_map(|row| Some((row.property.clone(), of(row)?)))
        .collect();
    Plot { file: file.to_owned(), title: title.to_owned(), svg: forest(title, &rows) }
}

/// The table and the plots of single changes, in their direction.
fn changes(summary: &Summary) -> Vec<Block> {
    if summary.changes.is_empty() {
        return Vec::new();
    }
    let labels = &summary.labels[..summary.labels.len().min(LABELS)];
    let shifts = labels.iter().map(|label| format!("shift of {label}"));
    let columns = ["change", "property", "texts", "flips"].map(str::to_owned);
    let columns = columns.into_iter().chain(shifts).collect();
    let rows = summary.changes.iter().take(IN_TABLE).map(|row| change(row, labels.len())).collect();
    let note = format!(
        "{} changes of at least {MIN_TEXTS} texts, by the smallest effect within their interval; \
         the first {}. The shift is the mean signed change of the probability of a label, with a \
         95 % bootstrap interval over texts. With so many changes, 1 in 20 without any effect has \
         an interval without 0.",
        summary.changes.len(),
        summary.changes.len().min(IN_TABLE)
    );
    let mut blocks = vec![
        Block::Heading("Single changes".to_owned()),
        Block::Table { columns, rows },
        Block::Paragraph(note),
    ];
    for (index, label) in labels.iter().enumerate() {
        let title =
            format!("Mean shift of {} by change, with 95 % intervals", short(label, WIDEST_CHANGE));
        let shown = summary.changes.iter().take(IN_PLOT);
        let rows: Vec<(String, Interval)> =
            shown.map(|row| (row.change.clone(), row.shifts[index])).collect();
        let svg = forest(&title, &rows);
        blocks.push(Block::Plot(Plot { file: format!("changes-{index}.svg"), title, svg }));
    }
    blocks
}

fn change(row: &ChangeRow, labels: usize) -> Vec<String> {
    let shift =
        |shift: &Interval| format!("{:+.3} [{:+.3}, {:+.3}]", shift.mean, shift.low, shift.high);
    let mut cells = vec![
        short(&row.change, WIDEST_CHANGE),
        row.property.clone(),
        row.texts.to_string(),
        row.flips.to_string(),
    ];
    cells.extend(row.shifts.iter().take(labels).map(shift));
    cells
}

fn example(worst: &Worst, summary: &Summary) -> [String; EXAMPLES.len()] {
    let labels = match worst.from == worst.to {
        true => summary.labels[worst.from].clone(),
        false => format!("{} → {}", summary.labels[worst.from], summary.labels[worst.to]),
    };
    [
        short(&worst.change, WIDEST_CHANGE),
        short(&worst.before, WIDEST_TEXT),
        short(&worst.after, WIDEST_TEXT),
        labels,
        format!("{:+.3}", worst.shift),
    ]
}

/// Returns the properties and the worst change of each, one per line.
pub fn terminal(summary: &Summary) -> String {
    let mut lines = Vec::new();
    for row in &summary.properties {
        lines.push(clean(&sentence(row)));
        if let Some(worst) = row.worst.first() {
            let [change, _, after, labels, shift] = example(worst, summary);
            lines.push(clean(&format!("  {shift}  {labels}  {change}  “{after}”")));
        }
    }
    lines.push(format!("\n{}", clean(&setting(summary))));
    if let Some(failure) = &summary.first_failure {
        lines.push(format!("The first text that failed: {}", clean(failure)));
    }
    lines.join("\n") + "\n"
}
