//! Statistics over all texts, with intervals.

use super::people::OtherReasons;
use super::row::{Row, row};
use super::{Record, people, verdict};
use crate::evaluation::REFERENCE;
use crate::evaluation::statistics::mean;
use crate::model::Model;

/// The contents of the report.
#[derive(Debug, Clone)]
pub struct Summary {
    pub model: String,
    pub revision: String,
    pub architecture: &'static str,
    /// Where the texts are from, in the user's words.
    pub data: String,
    pub texts: usize,
    pub failed: usize,
    pub tokens: f64,
    pub accuracy: Option<f64>,
    pub seed: u64,
    /// Best mean rank first.
    pub rows: Vec<Row>,
    pub random: Option<Row>,
    /// Methods in the order of the matrix.
    pub names: Vec<String>,
    /// Mean Spearman correlation of each pair of methods, `[names][names]`.
    pub agreement: Vec<Vec<Option<f64>>>,
    /// Number of texts with words that a person marked.
    pub marked: usize,
    /// Texts that are predicted rightly for other reasons than people have, by the first row's
    /// method.
    pub other_reasons: Vec<OtherReasons>,
    /// Sentences for the reader, most important first.
    pub verdict: Vec<String>,
}

impl Summary {
    pub fn new(model: &Model, data: &str, records: &[Record], failed: usize, seed: u64) -> Self {
        let names: Vec<String> = records
            .first()
            .map(|record| record.methods.iter().map(|method| method.name.clone()).collect())
            .unwrap_or_default();
        let mut rows: Vec<Row> =
            names.iter().filter(|name| *name != REFERENCE).map(|n| row(records, n, seed)).collect();
        let rank = |row: &Row| row.mean_rank.map_or(f64::INFINITY, |rank| rank.mean);
        rows.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        let random = names.iter().find(|name| *name == REFERENCE).map(|n| row(records, n, seed));
        let order: Vec<String> = rows.iter().map(|row| row.method.clone()).collect();
        let tokens: Vec<f64> = records.iter().map(|record| record.tokens as f64).collect();
        let right = people::right_for_other_reasons(&rows, records);
        let mut verdict = verdict::of(&rows, random.as_ref(), records, seed);
        verdict.extend(people::sentences(&rows, random.as_ref(), records, right.len()));
        Self {
            model: model.id.clone(),
            revision: model.revision.clone(),
            architecture: model.architecture,
            data: data.to_owned(),
            texts: records.len(),
            failed,
            tokens: if tokens.is_empty() { 0. } else { mean(&tokens) },
            accuracy: accuracy(records),
            seed,
            marked: records.iter().filter(|record| record.marked.is_some()).count(),
            other_reasons: right,
            verdict,
            agreement: agreement(records, &order),
            names: order,
            rows,
            random,
        }
    }
}

fn accuracy(records: &[Record]) -> Option<f64> {
    let correct: Vec<f64> = records
        .iter()
        .filter_map(|record| record.correct)
        .map(|correct| f64::from(u8::from(correct)))
        .collect();
    (!correct.is_empty()).then(|| mean(&correct))
}

fn agreement(records: &[Record], names: &[String]) -> Vec<Vec<Option<f64>>> {
    let of_pair = |a: &String, b: &String| {
        if a == b {
            return Some(1.);
        }
        let same = |pair: &&crate::evaluation::Agreement| {
            pair.methods.contains(a) && pair.methods.contains(b)
        };
        let found: Vec<f64> = records
            .iter()
            .filter_map(|record| record.agreement.iter().find(same)?.spearman)
            .collect();
        (!found.is_empty()).then(|| mean(&found))
    };
    names.iter().map(|a| names.iter().map(|b| of_pair(a, b)).collect()).collect()
}
