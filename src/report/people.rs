//! The part of the report on methods about the words that people marked: which method agrees with
//! them, and where the model is right for other reasons.

use super::Record;
use super::document::Block;
use super::plausibility::{Agreement, Plausibility, TOKEN_F1};
use super::row::Row;
use super::svg::short;
use super::verdict::MIN_TEXTS;
use crate::evaluation::interval::Interval;

/// Number of texts from which an interval is shown.
const MIN_INTERVAL: usize = 5;

/// The most texts that are listed, and characters of each.
const LISTED: usize = 20;
const WIDEST: usize = 120;

/// The share of the marked tokens below which a text is listed.
const MOST: f64 = 0.5;

/// A text that is predicted rightly, with less than half of the marked tokens among the highest
/// scores.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherReasons {
    pub text: String,
    pub predicted: String,
    pub marked: Vec<String>,
    /// As many words with the highest scores.
    pub top: Vec<String>,
    pub token_f1: f64,
}

/// Returns the texts that are predicted rightly although the first row's method, the most faithful
/// one, chooses less than half of the marked tokens; the lowest share first.
pub fn right_for_other_reasons(rows: &[Row], records: &[Record]) -> Vec<OtherReasons> {
    let Some(best) = rows.first() else { return Vec::new() };
    let other = |record: &Record| {
        let marked = record.marked.as_ref().filter(|_| record.correct == Some(true))?;
        let method = record.methods.iter().find(|method| method.name == best.method)?;
        let token_f1 = method.of(TOKEN_F1)?;
        (token_f1 < MOST).then(|| OtherReasons {
            text: marked.text.clone(),
            predicted: record.predicted.clone(),
            marked: marked.words.clone(),
            top: method.top.clone(),
            token_f1,
        })
    };
    let mut found: Vec<OtherReasons> = records.iter().filter_map(other).collect();
    found.sort_by(|a, b| a.token_f1.total_cmp(&b.token_f1));
    found
}

/// Says which method agrees most with people, and how often the model is right for other reasons.
pub fn sentences(
    rows: &[Row],
    random: Option<&Row>,
    records: &[Record],
    other_reasons: usize,
) -> Vec<String> {
    let auprc = |row: &Row| row.plausibility.all.auprc.map(|found| found.mean);
    let marked: Vec<&Record> = records.iter().filter(|record| record.marked.is_some()).collect();
    let with_value = rows.iter().filter_map(|row| Some((row, auprc(row)?)));
    let Some((first, value)) = with_value.max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Vec::new();
    };
    let chance = random.and_then(auprc);
    let chance = chance.map_or_else(String::new, |chance| format!(", chance {chance:.2}"));
    let mut sentences = Vec::new();
    if marked.len() >= MIN_TEXTS {
        sentences.push(format!(
            "{} agrees most with the words that people marked (AUPRC {value:.2}{chance}), which \
             says nothing about faithfulness.",
            first.method
        ));
    }
    let right = marked.iter().filter(|record| record.correct == Some(true)).count();
    if right > 0 {
        sentences.push(format!(
            "Of {right} right predictions with marked words, {other_reasons} are right for other \
             reasons: less than half of the marked tokens are among the highest scores of {}, the \
             first method by faithfulness.",
            rows[0].method
        ));
    }
    sentences
}

const COLUMNS: [&str; 6] =
    ["method", "mean rank", "comprehensiveness ↑", "token F1 ↑", "IOU F1 ↑", "AUPRC ↑"];

const READING: &str = "Plausibility is agreement with the words that people marked (ERASER): of the \
tokens with the highest scores, as many as are marked. A plausible method need not be faithful, so \
faithfulness is beside it, over all texts. The row random is what chance gives. Scores are for the predicted label: where it is wrong, the words that people marked speak for \
another.";

/// Returns the part of the report on plausibility; nothing if no words are marked.
pub fn blocks(
    rows: &[Row],
    random: Option<&Row>,
    marked: usize,
    other: &[OtherReasons],
) -> Vec<Block> {
    if marked == 0 {
        return Vec::new();
    }
    let rows: Vec<&Row> = rows.iter().chain(random).collect();
    let mut blocks = vec![
        Block::Heading("Agreement with people".to_owned()),
        Block::Paragraph(format!("{marked} texts have words that people marked. {READING}")),
        Block::table(&COLUMNS, rows.iter().map(|row| cells(row)).collect()),
    ];
    let labelled = |row: &&&Row| row.plausibility.right.texts + row.plausibility.wrong.texts > 0;
    if let Some(first) = rows.iter().find(labelled) {
        blocks.push(Block::Paragraph("By whether the prediction is right:".to_owned()));
        let of = &first.plausibility;
        let column = |what: &str, texts: usize| format!("{what} (n = {texts})");
        let columns = ["token F1", "IOU F1", "AUPRC"].into_iter().flat_map(|name| {
            [("right", of.right.texts), ("wrong", of.wrong.texts)]
                .map(|(what, texts)| column(&format!("{name}, {what}"), texts))
        });
        let columns = std::iter::once("method".to_owned()).chain(columns).collect();
        blocks
            .push(Block::Table { columns, rows: rows.iter().map(|row| by_outcome(row)).collect() });
    }
    if let (Some(best), false) = (rows.first(), other.is_empty()) {
        blocks.push(Block::Paragraph(format!(
            "Right for other reasons than people have, by {}; the first {} of {}:",
            best.method,
            other.len().min(LISTED),
            other.len()
        )));
        let columns = ["text", "prediction", "marked", "highest scores", "token F1"];
        let rows = other.iter().take(LISTED).map(listed).collect();
        blocks.push(Block::table(&columns, rows));
    }
    blocks
}

fn cell(found: Option<Interval>, texts: usize) -> String {
    match found {
        Some(Interval { mean, low, high }) if texts >= MIN_INTERVAL => {
            format!("{mean:.2} [{low:.2}, {high:.2}]")
        }
        Some(Interval { mean, .. }) => format!("{mean:.2}"),
        None => String::new(),
    }
}

fn cells(row: &Row) -> Vec<String> {
    let Agreement { texts, token_f1, iou_f1, auprc } = row.plausibility.all;
    let rank = row.mean_rank.map_or_else(String::new, |rank| format!("{:.1}", rank.mean));
    let mut cells = vec![row.method.clone(), rank, cell(row.comprehensiveness, usize::MAX)];
    cells.extend([token_f1, iou_f1, auprc].map(|found| cell(found, texts)));
    cells
}

fn by_outcome(row: &Row) -> Vec<String> {
    let Plausibility { right, wrong, .. } = &row.plausibility;
    let both = |of: fn(&Agreement) -> Option<Interval>| {
        [right, wrong].map(|outcome| cell(of(outcome), outcome.texts))
    };
    let values = [both(|of| of.token_f1), both(|of| of.iou_f1), both(|of| of.auprc)];
    std::iter::once(row.method.clone()).chain(values.into_iter().flatten()).collect()
}

fn listed(one: &OtherReasons) -> Vec<String> {
    vec![
        short(&one.text, WIDEST),
        one.predicted.clone(),
        short(&one.marked.join(" "), WIDEST),
        short(&one.top.join(" "), WIDEST),
        format!("{:.2}", one.token_f1),
    ]
}
