//! The report as a document and for the terminal.

use super::{Class, GroupEffect, Summary, WordEffect, plots};
use crate::evaluation::interval::Interval;
use crate::render::clean::clean;
use crate::report::append_counts;
use crate::report::document::{Block, Document};
use crate::report::svg::short;

/// The most words per table, and per class in the terminal and in a sentence.
const IN_TABLE: usize = 30;
const IN_TERMINAL: usize = 10;
const IN_SENTENCE: usize = 6;

/// The most characters of a word that is shown. The JSON has all of them.
const WIDEST: usize = 40;

/// Titles of the columns of a table.
const COLUMNS: [&str; 7] =
    ["word", "mean effect", "95 % interval", "certain", "texts", "occurrences", "total"];

const GROUP_COLUMNS: [&str; 7] =
    ["group", "class", "mean score", "95 % interval", "texts", "occurrences", "total"];

const READING_GROUPS: &str = "The score of a group in a text is the sum of the scores of its \
words. The mean is over the texts with at least one of them, with Student's interval. Total is the \
sum over all texts.";

pub fn document(summary: &Summary) -> Document {
    let mut blocks = vec![
        Block::Bullets(summary.classes.iter().map(sentence).collect()),
        Block::Paragraph(setting(summary)),
        Block::Paragraph(reading(summary)),
    ];
    blocks.extend(groups(summary));
    for class in &summary.classes {
        blocks.push(Block::Heading(format!("Towards {}", class.label)));
        let rows = class.certain().take(IN_TABLE).map(|word| cells(word).to_vec()).collect();
        blocks.push(Block::table(&COLUMNS, rows));
        blocks.push(Block::Paragraph(others(class)));
        blocks.extend(plots::of_class(class).into_iter().map(Block::Plot));
    }
    Document { title: format!("Which words drive {}", summary.model), blocks }
}

/// The groups of the lexicon; nothing without one.
fn groups(summary: &Summary) -> Vec<Block> {
    let rows: Vec<Vec<String>> = summary
        .classes
        .iter()
        .flat_map(|class| class.groups.iter().map(|group| group_cells(class, group).to_vec()))
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        Block::Heading("Groups of the lexicon".to_owned()),
        Block::Paragraph(READING_GROUPS.to_owned()),
        Block::table(&GROUP_COLUMNS, rows),
    ];
    blocks.extend(summary.classes.iter().filter_map(plots::of_groups).map(Block::Plot));
    blocks
}

fn group_cells(class: &Class, group: &GroupEffect) -> [String; GROUP_COLUMNS.len()] {
    let interval = |effect: Interval| format!("[{:+.3}, {:+.3}]", effect.low, effect.high);
    [
        short(&group.name, WIDEST),
        class.label.clone(),
        group.effect.map_or_else(String::new, |effect| format!("{:+.3}", effect.mean)),
        group.effect.map_or_else(String::new, interval),
        group.texts.to_string(),
        group.occurrences.to_string(),
        format!("{:+.2}", group.total),
    ]
}

/// The words for and against a class.
fn sentence(class: &Class) -> String {
    let list = |is_own: fn(&&WordEffect) -> bool| {
        let words = class.certain().filter(is_own).take(IN_SENTENCE);
        let words: Vec<String> = words.map(|word| short(&word.word, WIDEST)).collect();
        if words.is_empty() { "no word".to_owned() } else { words.join(", ") }
    };
    format!(
        "{}: towards it {}; away from it {}.",
        class.label,
        list(|word| word.effect.mean > 0.),
        list(|word| word.effect.mean < 0.)
    )
}

/// Describes the data and the setup.
fn setting(summary: &Summary) -> String {
    let classes: Vec<String> = summary
        .classes
        .iter()
        .map(|class| format!("{} for {}", class.label, class.predicted))
        .collect();
    let mut text = format!(
        "{} of the {} distinct texts of {}, {} different words. The model predicts {}. Model {}, \
         revision {}, method {} with its default options, seed {}.",
        summary.texts,
        summary.of,
        summary.data,
        summary.vocabulary,
        classes.join(", "),
        summary.model,
        summary.revision,
        summary.method,
        summary.seed,
    );
    append_counts(
        &mut text,
        &[
            (summary.repeated, "repetitions of a text were left out"),
            (summary.truncated, "texts were truncated to fit the model"),
            (summary.failed, "texts could not be explained"),
            (summary.left, "texts were not begun in time; run the command again to continue"),
        ],
    );
    text
}

/// How to read the tables.
fn reading(summary: &Summary) -> String {
    format!(
        "The effect of a word is its score for the logit of the class where it occurs: positive \
         towards the class, negative away from it. The mean is over the texts with the word, of \
         its mean in each text; the interval is Student's, over texts. Certain is the smallest \
         effect within the interval, by which words are ranked, so that a rare word with a wide \
         interval does not lead. Total is the mean times the occurrences: what the word adds over \
         the corpus. Only words in at least {} texts have an interval. The intervals hold for each \
         word by itself: of words without any effect, 1 in 20 has an interval without 0.",
        summary.min_texts
    )
}

fn others(class: &Class) -> String {
    let certain = class.certain().count();
    format!(
        "The intervals of {certain} of {} words do not contain 0; the table has the first {}.",
        class.words.len(),
        certain.min(IN_TABLE)
    )
}

fn cells(word: &WordEffect) -> [String; COLUMNS.len()] {
    let effect = word.effect;
    [
        short(&word.word, WIDEST),
        format!("{:+.3}", effect.mean),
        format!("[{:+.3}, {:+.3}]", effect.low, effect.high),
        format!("{:.3}", effect.least_magnitude()),
        word.texts.to_string(),
        word.occurrences.to_string(),
        format!("{:+.2}", word.total),
    ]
}

/// Returns the first words of each class, one per line.
pub fn terminal(summary: &Summary) -> String {
    let mut lines = Vec::new();
    for class in &summary.classes {
        lines.push(clean(&class.label));
        for word in class.certain().take(IN_TERMINAL) {
            let [text, mean, interval, _, texts, _, total] = cells(word);
            let text = clean(&text);
            lines.push(format!("  {mean} {interval}  {text}  ({texts} texts, total {total})"));
        }
        lines.push(format!("  {}", others(class)));
        for group in &class.groups {
            let [name, _, mean, interval, texts, _, total] = group_cells(class, group);
            let name = clean(&name);
            lines
                .push(format!("  {mean} {interval}  group {name}  ({texts} texts, total {total})"));
        }
        lines.push(String::new());
    }
    lines.push(clean(&setting(summary)));
    if let Some(failure) = &summary.first_failure {
        lines.push(format!("The first text that failed: {}", clean(failure)));
    }
    lines.join("\n") + "\n"
}
