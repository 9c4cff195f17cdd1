//! How far to trust an answer, and what it is put together from.

use std::ops::Range;

use super::super::clean::clean;
use super::super::columns::width;
use super::super::measures::{Cell, Line, Measure, Table};
use super::super::wording;
use super::plain::COLUMNS;
use super::{Colours, line};
use crate::explanation::{Explained, WindowPart};

/// Columns between one method and the next.
const GAP: usize = 2;

/// Columns of a number and the mark after it.
const NUMBER: usize = 8;

/// What a reader should know first.
pub fn warnings(out: &mut String, colours: Colours, explained: &Explained) {
    let bold = colours.bold();
    for warning in &explained.warnings {
        line(out, format_args!("\n{bold}Read with care:{bold:#} {}.", clean(&warning.detail)));
    }
}

/// The parts of a text that was read in several, a line each.
pub fn windows(out: &mut String, explained: &Explained) {
    let Some(parts) = &explained.windows else { return };
    line(out, format_args!("\nRead in {} parts:", parts.len()));
    for (number, part) in parts.iter().enumerate() {
        let (place, said) = (wording::part(explained, part), wording::answer(&part.predicted));
        let text = clean(&format!("{place}: {said}{}", shares(part)));
        line(out, format_args!("  {}  {text}", number + 1));
    }
}

/// What it adds. Weight and value are of the target, which all methods share.
fn shares(part: &WindowPart) -> String {
    let Some(first) = part.shares.first() else { return String::new() };
    let mut wholes = part.shares.iter().filter_map(|share| share.completeness).peekable();
    let verdict = match wholes.peek().is_some() {
        false => "",
        true if wholes.all(|whole| whole.converged) => ", converged",
        true => ", not converged",
    };
    format!("; weight {:.3}, value {:+.3}{verdict}", first.weight, first.output_value)
}

/// What was measured: a line a measure, a column a method, as many tables below
/// each other as it takes.
pub fn evaluation(out: &mut String, colours: Colours, explained: &Explained) {
    let Some(evaluation) = &explained.evaluation else { return };
    let table = Table::of(evaluation);
    if table.cells() == 0 {
        return;
    }
    let bold = colours.bold();
    let heading = "How far to trust each method";
    line(out, format_args!("\n{bold}{heading}{bold:#} (↑ ↓ which way is better, * the best)"));
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

/// Columns that labels and methods take.
struct Layout {
    label: usize,
    methods: Vec<usize>,
}

/// What stands before the numbers of a line.
fn label(measure: &Measure, line: &Line) -> String {
    let name = line.part.map_or_else(|| measure.entry.name.to_owned(), |part| format!("  {part}"));
    format!("{name} {}", line.better.sign()).trim_end().to_owned()
}

/// Columns that fit beside each other; one at least.
fn blocks(widths: &[usize], room: usize) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut taken = 0;
    for (place, width) in widths.iter().enumerate() {
        match blocks.last_mut() {
            Some(block) if taken + width <= room => block.end = place + 1,
            _ => {
                blocks.push(place..place + 1);
                taken = 0;
            }
        }
        taken += width;
    }
    blocks
}

/// The table of some methods, without lines that say nothing of them.
fn block(out: &mut String, table: &Table<'_>, layout: &Layout, methods: Range<usize>) {
    let row = |cell: &dyn Fn(usize) -> String| -> String {
        methods.clone().map(|at| format!("{:>1$}", cell(at), layout.methods[at])).collect()
    };
    let indent = layout.label;
    line(out, format_args!("\n  {:indent$}{}", "", row(&|at| table.methods[at].to_owned())));
    for measure in &table.measures {
        let says = |line: &&Line| line.cells[methods.clone()].iter().any(|c| c.number.is_some());
        let mut lines = measure.lines.iter().filter(says).peekable();
        if measure.is_in_parts() && lines.peek().is_some() {
            line(out, format_args!("  {}", measure.entry.name));
        }
        for one in lines {
            let numbers = row(&|at| number(&one.cells[at]));
            let text = format!("  {:<indent$}{numbers}", label(measure, one));
            line(out, format_args!("{}", text.trim_end()));
        }
    }
}

/// Numbers end in one column, marked or not.
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
    fn tables_are_as_wide_as_the_rows_of_texts() {
        assert_eq!(blocks(&[10, 22, 22, 10], 54), [0..3, 3..4]);
        assert_eq!(blocks(&[80, 80], 54), [0..1, 1..2]);
        assert!(blocks(&[], 54).is_empty());
    }
}
