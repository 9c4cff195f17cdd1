//! Warnings, windows and evaluation of a result.

use std::ops::Range;

use super::super::clean::clean;
use super::super::columns::width;
use super::super::measures::{Cell, Line, Measure, Table};
use super::super::paint::{Colours, line};
use super::super::wording;
use super::plain::COLUMNS;
use crate::explanation::{Explained, WindowPart};

/// Columns between methods.
const GAP: usize = 2;

/// Minimum columns of a method: a number and the mark after it.
const NUMBER: usize = 8;

/// Writes the warnings.
pub fn warnings(out: &mut String, colours: Colours, explained: &Explained) {
    let bold = colours.bold();
    for warning in &explained.warnings {
        line(out, format_args!("\n{bold}Read with care:{bold:#} {}.", clean(&warning.detail)));
    }
}

/// Writes the windows of a long text, one line each.
pub fn windows(out: &mut String, explained: &Explained) {
    let Some(parts) = &explained.windows else { return };
    line(out, format_args!("\nSplit into {} windows:", parts.len()));
    for (number, part) in parts.iter().enumerate() {
        let (range, label) = (wording::part(explained, part), wording::prediction(&part.predicted));
        let text = clean(&format!("{range}: {label}{}", shares(part)));
        line(out, format_args!("  {}  {text}", number + 1));
    }
}

/// Describes its contribution. Weight and value are of the target, which all methods share.
fn shares(part: &WindowPart) -> String {
    let Some(first) = part.shares.first() else { return String::new() };
    let mut sums = part.shares.iter().filter_map(|share| share.completeness).peekable();
    let verdict = match sums.peek().is_some() {
        false => "",
        true if sums.all(|completeness| completeness.converged) => ", converged",
        true => ", not converged",
    };
    format!("; weight {:.3}, value {:+.3}{verdict}", first.weight, first.output_value)
}

/// Writes the evaluation with one line per measure and one column per method, in several tables if
/// the columns do not fit.
pub fn evaluation(out: &mut String, colours: Colours, explained: &Explained) {
    let Some(evaluation) = &explained.evaluation else { return };
    let table = Table::of(evaluation);
    if table.cells() == 0 {
        return;
    }
    let bold = colours.bold();
    let heading = "Evaluation of the methods";
    line(out, format_args!("\n{bold}{heading}{bold:#} (↑ higher, ↓ lower is better; * best)"));
    let labels = table
        .measures
        .iter()
        .flat_map(|measure| measure.lines.iter().map(move |line| width(&label(measure, line))));
    let layout = Layout {
        label: labels.max().unwrap_or_default(),
        methods: table.methods.iter().map(|name| width(name).max(NUMBER) + GAP).collect(),
    };
    for methods in blocks(&layout.methods, COLUMNS.saturating_sub(layout.label)) {
        block(out, &table, &layout, methods);
    }
}

/// Widths of the label column and of each method's column.
struct Layout {
    label: usize,
    methods: Vec<usize>,
}

/// Returns the label of a line.
fn label(measure: &Measure, line: &Line) -> String {
    let name = line.part.map_or_else(|| measure.entry.name.to_owned(), |part| format!("  {part}"));
    format!("{name} {}", line.better.sign()).trim_end().to_owned()
}

/// Groups columns so that each group fits into `available`; a group has at least one column.
fn blocks(widths: &[usize], available: usize) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut used = 0;
    for (index, width) in widths.iter().enumerate() {
        match blocks.last_mut() {
            Some(block) if used + width <= available => block.end = index + 1,
            _ => {
                blocks.push(index..index + 1);
                used = 0;
            }
        }
        used += width;
    }
    blocks
}

/// Writes the table of some methods, without lines that have no number for them.
fn block(out: &mut String, table: &Table<'_>, layout: &Layout, methods: Range<usize>) {
    let row = |cell: &dyn Fn(usize) -> String| -> String {
        methods.clone().map(|i| format!("{:>1$}", cell(i), layout.methods[i])).collect()
    };
    let indent = layout.label;
    line(out, format_args!("\n  {:indent$}{}", "", row(&|i| table.methods[i].to_owned())));
    for measure in &table.measures {
        let filled = |line: &&Line| line.cells[methods.clone()].iter().any(|c| c.number.is_some());
        let mut lines = measure.lines.iter().filter(filled).peekable();
        if measure.is_in_parts() && lines.peek().is_some() {
            line(out, format_args!("  {}", measure.entry.name));
        }
        for part in lines {
            let numbers = row(&|i| number(&part.cells[i]));
            let text = format!("  {:<indent$}{numbers}", label(measure, part));
            line(out, format_args!("{}", text.trim_end()));
        }
    }
}

/// Formats a number so that marked and unmarked ones align.
fn number(cell: &Cell) -> String {
    match cell.number {
        Some(number) if cell.best => format!("{number:.3}*"),
        Some(number) => format!("{number:.3} "),
        None => "– ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_fit_into_the_available_columns() {
        assert_eq!(blocks(&[10, 22, 22, 10], 54), [0..3, 3..4]);
        assert_eq!(blocks(&[80, 80], 54), [0..1, 1..2]);
        assert!(blocks(&[], 54).is_empty());
    }
}
