//! What the figures say, in sentences.

use super::Record;
use super::run::{MEAN_RANK, values_of};
use super::summary::{Interval, Row};

/// Sentences, the most important first.
pub fn of(rows: &[Row], random: Option<&Row>, records: &[Record], seed: u64) -> Vec<String> {
    let Some(best) = rows.first() else { return Vec::new() };
    let equals: Vec<&Row> =
        rows[1..].iter().filter(|row| is_as_good(best, row, records, seed)).collect();
    let mut sentences = vec![first(best, &equals)];
    sentences.extend(cheapest(best, &rows[1..]));
    sentences.extend(no_better_than_random(rows, random));
    sentences.extend(open(rows));
    sentences
}

fn first(best: &Row, equals: &[&Row]) -> String {
    let rank = best.mean_rank.map_or(f64::NAN, |rank| rank.mean);
    let lead = format!("{} is the most faithful here: mean place {rank:.1}", best.method);
    match equals {
        [] => format!("{lead}, and no other method comes near."),
        _ => {
            let names: Vec<&str> = equals.iter().map(|row| row.method.as_str()).collect();
            format!("{lead}; {} cannot be told apart from it.", names.join(", "))
        }
    }
}

/// Whether the 95 % interval of the difference of their places, text by text, has 0.
fn is_as_good(best: &Row, row: &Row, records: &[Record], seed: u64) -> bool {
    let places = |method: &str| values_of(records, method, MEAN_RANK);
    let (of_best, of_row) = (places(&best.method), places(&row.method));
    if of_best.len() != of_row.len() {
        return false;
    }
    let gaps: Vec<f64> = of_row.iter().zip(&of_best).map(|(a, b)| a - b).collect();
    Interval::of(&gaps, seed).is_some_and(|gap| gap.low <= 0.)
}

/// Of the methods whose figures overlap with those of the best, one that takes much
/// less.
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
            "Measure by measure, the intervals of {} overlap with its own, and it takes 1/{times:.0} \
             of the time.",
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
            "{} cannot be told from random rankings by comprehensiveness: do not use {} for this \
             model.",
            names.join(", "),
            if names.len() == 1 { "it" } else { "them" }
        )
    })
}

fn open(rows: &[Row]) -> Option<String> {
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
