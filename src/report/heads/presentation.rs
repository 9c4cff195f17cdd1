//! The report as a document and for the terminal.

use super::plots::{self, name};
use super::{Ablated, Ablation, HeadRow, Summary};
use crate::choice::Choice;
use crate::evaluation::interval::Interval;
use crate::render::clean::clean;
use crate::report::append_counts;
use crate::report::document::{Block, Document};

/// The most heads in the table, in the terminal and in a sentence.
const IN_TABLE: usize = 30;
const IN_TERMINAL: usize = 10;
const IN_SENTENCE: usize = 3;

const COLUMNS: [&str; 7] = [
    "head",
    "mean importance",
    "95 % interval",
    "signed mean",
    "95 % interval",
    "pattern",
    "share of texts",
];

const WITHOUT: [&str; 8] = [
    "without",
    "estimate",
    "change of the logit",
    "95 % interval",
    "flips",
    "95 % interval",
    "change of accuracy, points",
    "95 % interval",
];

/// How to read the tables.
const READING: &str = "The importance of a head is the derivative of the logit of what is predicted, \
with respect to a factor on the head's context, at 1: of a text's label, of the labels of the most \
probable entities' first tokens, of the best piece of each mask, or of the start and the end of the answer, in the mean if there are \
several; for embedding models it is the derivative of the cosine of two texts, in the first one. Heads are ranked by its mean magnitude over \
texts, because a head may support one prediction and oppose another. The intervals are Student's, \
over texts. The pattern is what the head attends to most, in most texts. Layers and heads are \
counted from 0.";

const READING_WITHOUT: &str = "Each head is switched off by itself: its context is zero, and \
nothing else is changed. The change is that of the logit (or the cosine) of what is predicted with all heads; \
the estimate is what the importance predicts for it, minus the signed mean. A flip is another \
predicted label, piece or answer, of any if there are several; its interval is Wilson's.";

pub fn document(summary: &Summary) -> Document {
    let mut blocks = vec![
        Block::Bullets(sentences(summary)),
        Block::Paragraph(setting(summary)),
        Block::Heading("Importance".to_owned()),
        Block::Paragraph(READING.to_owned()),
    ];
    let rows = summary.heads.iter().take(IN_TABLE).map(|row| cells(row).to_vec()).collect();
    blocks.push(Block::table(&COLUMNS, rows));
    blocks.extend(plots::importance(summary).into_iter().map(Block::Plot));
    if let Some(ablation) = &summary.ablation {
        blocks.push(Block::Heading("Without a head".to_owned()));
        blocks.push(Block::Paragraph(format!("{READING_WITHOUT}{}", checked(ablation))));
        let rows: Vec<_> = ablation.heads.iter().map(|one| cells_without(one).to_vec()).collect();
        if !rows.is_empty() {
            blocks.push(Block::table(&WITHOUT, rows));
            blocks.extend(plots::ablation(summary).into_iter().map(Block::Plot));
        }
    }
    Document { title: format!("Which attention heads matter for {}", summary.model), blocks }
}

/// The findings, most important first.
fn sentences(summary: &Summary) -> Vec<String> {
    let mut sentences = Vec::new();
    if summary.heads.is_empty() {
        return vec!["Intervals need at least two texts.".to_owned()];
    }
    let first: Vec<String> = summary.heads.iter().take(IN_SENTENCE).map(described).collect();
    sentences.push(format!("The most important heads: {}.", first.join("; ")));
    let total: f64 = summary.heads.iter().map(|row| row.size.mean).sum();
    let mut sum = 0.;
    let half = summary.heads.iter().take_while(|row| {
        let before = sum;
        sum += row.size.mean;
        before < total / 2.
    });
    let (half, all) = (half.count(), summary.heads.len());
    sentences.push(format!("{half} of the {all} heads have half of all importance."));
    sentences.extend(summary.ablation.as_ref().and_then(most_flips));
    sentences
}

fn described(row: &HeadRow) -> String {
    format!(
        "{} ({:.2}, {} in {:.0} % of the texts)",
        name(row.head),
        row.size.mean,
        row.pattern.name(),
        100. * row.share
    )
}

/// Names the head without which most predictions flip, or says that none was switched off.
fn most_flips(ablation: &Ablation) -> Option<String> {
    if ablation.texts == 0 && ablation.failed > 0 {
        let failed = "No text could be run without a head, so the importance is not checked.";
        return Some(failed.to_owned());
    }
    let flips = |one: &Ablated| one.flips.map(|(count, _)| count);
    let most = ablation.heads.iter().rev().max_by_key(|one| flips(one))?;
    let texts = ablation.texts;
    Some(match flips(most)? {
        0 => format!("No single one of these heads decides any of {texts} predictions."),
        flips => format!("Without {}, {flips} of {texts} predictions flip.", name(most.head)),
    })
}

/// Describes the data and the setup.
fn setting(summary: &Summary) -> String {
    let mut text = format!(
        "{} of the {} distinct texts of {}. Model {}, revision {}, {} layers of {} heads.",
        summary.texts,
        summary.of,
        summary.data,
        summary.model,
        summary.revision,
        summary.layers,
        summary.heads_per_layer,
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

/// Says on how many texts heads were switched off.
fn checked(ablation: &Ablation) -> String {
    let mut text = format!(" {} texts.", ablation.texts);
    if let Some(accuracy) = ablation.accuracy {
        text += &format!(
            " With all heads, the model is right on {:.1} % of the {} texts with a label.",
            100. * accuracy,
            ablation.labelled
        );
    }
    append_counts(
        &mut text,
        &[
            (ablation.failed, "texts could not be run without the heads"),
            (ablation.left, "texts were not begun in time; run the command again to continue"),
        ],
    );
    if let Some(failure) = &ablation.first_failure {
        text += &format!(" The first error: {}.", failure.trim_end_matches('.'));
    }
    text
}

fn bounds(of: Interval) -> String {
    format!("[{:+.3}, {:+.3}]", of.low, of.high)
}

fn cells(row: &HeadRow) -> [String; COLUMNS.len()] {
    [
        name(row.head),
        format!("{:.3}", row.size.mean),
        format!("[{:.3}, {:.3}]", row.size.low, row.size.high),
        format!("{:+.3}", row.signed.mean),
        bounds(row.signed),
        row.pattern.name().to_owned(),
        format!("{:.0} %", 100. * row.share),
    ]
}

fn cells_without(one: &Ablated) -> [String; WITHOUT.len()] {
    let percent = |share: f64| format!("{:.1} %", 100. * share);
    let points = |share: f64| format!("{:+.1}", 100. * share);
    [
        name(one.head),
        format!("{:+.3}", one.estimate),
        format!("{:+.3}", one.change.mean),
        bounds(one.change),
        one.flips.map_or_else(String::new, |(count, share)| {
            format!("{count} ({})", percent(share.mean))
        }),
        one.flips.map_or_else(String::new, |(_, share)| {
            format!("[{}, {}]", percent(share.low), percent(share.high))
        }),
        one.accuracy.map_or_else(String::new, |of| points(of.mean)),
        one.accuracy
            .map_or_else(String::new, |of| format!("[{}, {}]", points(of.low), points(of.high))),
    ]
}

/// Returns the most important heads, one per line.
pub fn terminal(summary: &Summary) -> String {
    let mut lines = Vec::new();
    for row in summary.heads.iter().take(IN_TERMINAL) {
        let [head, mean, interval, signed, _, pattern, share] = cells(row);
        lines.push(format!("{head}  {mean} {interval}  signed {signed}  {pattern} ({share})"));
    }
    lines.push(String::new());
    for one in summary.ablation.iter().flat_map(|ablation| &ablation.heads) {
        let [head, _, change, interval, flips, _, accuracy, _] = cells_without(one);
        let accuracy =
            if accuracy.is_empty() { accuracy } else { format!("  accuracy {accuracy} points") };
        let flips = if flips.is_empty() { flips } else { format!("  flips {flips}") };
        lines.push(format!("without {head}  {change} {interval}{flips}{accuracy}"));
    }
    lines.push(String::new());
    lines.extend(sentences(summary));
    lines.push(clean(&setting(summary)));
    if let Some(ablation) = &summary.ablation {
        lines.push(clean(&format!("Heads were switched off on{}", checked(ablation))));
    }
    if let Some(failure) = &summary.first_failure {
        lines.push(format!("The first text that failed: {}", clean(failure)));
    }
    lines.join("\n") + "\n"
}
