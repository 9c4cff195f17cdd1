//! Summarises the statistics in sentences.

use super::Record;
use super::row::Row;
use super::run::{MEAN_RANK, values_of};
use crate::evaluation::interval::Interval;

/// Number of texts from which methods are compared. Bootstrap intervals of fewer values are too
/// narrow.
pub const MIN_TEXTS: usize = 20;

/// Returns the sentences, most important first.
pub fn of(rows: &[Row], random: Option<&Row>, records: &[Record], seed: u64) -> Vec<String> {
    let Some(best) = rows.first() else { return Vec::new() };
    if records.len() < MIN_TEXTS {
        let texts = records.len();
        return vec![format!(
            "{texts} texts are too few to compare methods: the intervals need {MIN_TEXTS}."
        )];
    }
    let equals: Vec<&Row> =
        rows[1..].iter().filter(|row| is_as_good(best, row, records, seed)).collect();
    let mut sentences = vec![first(best, &equals)];
    sentences.extend(cheapest(best, &rows[1..]));
    sentences.extend(no_better_than_random(rows, random));
    sentences.extend(not_converged(rows));
    sentences
}

fn first(best: &Row, equals: &[&Row]) -> String {
    let rank = best.mean_rank.map_or(f64::NAN, |rank| rank.mean);
    let lead = format!("{} is the most faithful here: mean rank {rank:.1}", best.method);
    match equals {
        [] => format!("{lead}, and no other method comes close."),
        _ => {
            let names: Vec<&str> = equals.iter().map(|row| row.method.as_str()).collect();
            format!("{lead}; {} cannot be told apart from it.", names.join(", "))
        }
    }
}

/// Returns whether the 95 % interval of the difference in ranks, text by text, includes 0.
fn is_as_good(best: &Row, row: &Row, records: &[Record], seed: u64) -> bool {
    let ranks = |method: &str| values_of(records, method, MEAN_RANK);
    let (of_best, of_row) = (ranks(&best.method), ranks(&row.method));
    if of_best.len() != of_row.len() {
        return false;
    }
    let gaps: Vec<f64> = of_row.iter().zip(&of_best).map(|(a, b)| a - b).collect();
    Interval::of(&gaps, seed).is_some_and(|gap| gap.low <= 0.)
}

/// Names a method that is much faster than the best one, and whose intervals overlap with its own.
fn cheapest(best: &Row, others: &[Row]) -> Option<String> {
    let overlap = |a: Option<Interval>, b: Option<Interval>| {
        a.zip(b).is_none_or(|(a, b)| a.low <= b.high && b.low <= a.high)
    };
    let near = |row: &&Row| {
        overlap(row.comprehensiveness, best.comprehensiveness)
            && overlap(row.sufficiency, best.sufficiency)
            && overlap(row.infidelity, best.infidelity)
    };
    let cheapest = others.iter().filter(near).min_by_key(|row| row.compute)?;
    let times = best.compute.as_secs_f64() / cheapest.compute.as_secs_f64();
    (times > 1.5).then(|| {
        format!(
            "Measure by measure, the intervals of {} overlap with those of the best method, and it \
             takes 1/{times:.0} of the time.",
            cheapest.method
        )
    })
}

fn no_better_than_random(rows: &[Row], random: Option<&Row>) -> Option<String> {
    let reference = random?.comprehensiveness?;
    let names: Vec<&str> = rows
        .iter()
        .filter(|row| row.comprehensiveness.is_some_and(|found| found.low <= reference.high))
        .map(|row| row.method.as_str())
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} cannot be distinguished from random rankings by comprehensiveness: do not use {} \
             for this model.",
            names.join(", "),
            if names.len() == 1 { "it" } else { "them" }
        )
    })
}

fn not_converged(rows: &[Row]) -> Option<String> {
    let names: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let share = row.converged.filter(|share| *share < 0.95)?;
            Some(format!("{} ({:.0} %)", row.method, 100. * share))
        })
        .collect();
    (!names.is_empty())
        .then(|| format!("Not all answers converged within their tolerance: {}.", names.join(", ")))
}
