//! The report as JSON.

use serde_json::{Value, json};

use super::tally::Worst;
use super::{ChangeRow, PropertyRow, Summary};
use crate::evaluation::interval::Interval;

pub fn json(summary: &Summary) -> Value {
    let label =
        |(label, predicted): (&String, &usize)| json!({ "label": label, "predicted": predicted });
    let labels = summary.labels.iter().zip(&summary.predicted);
    json!({
        "model": summary.model,
        "revision": summary.revision,
        "data": summary.data,
        "seed": summary.seed,
        "texts": summary.texts,
        "texts_in_file": summary.of,
        "repeated": summary.repeated,
        "truncated": summary.truncated,
        "failed": summary.failed,
        "left": summary.left,
        "left_out": summary.left_out,
        "finished": summary.left == 0,
        "labels": labels.map(label).collect::<Vec<_>>(),
        "properties":
            summary.properties.iter().map(|row| property(row, summary)).collect::<Vec<_>>(),
        "changes": summary.changes.iter().map(|row| change(row, summary)).collect::<Vec<_>>(),
    })
}

fn property(row: &PropertyRow, summary: &Summary) -> Value {
    json!({
        "property": row.property,
        "affected": row.affected,
        "variants": row.variants,
        "failed": row.failed,
        "fail_rate": interval(row.fail_rate),
        "mean_absolute_shift": interval(row.shift),
        "worst": row.worst.iter().map(|one| worst(one, summary)).collect::<Vec<_>>(),
    })
}

fn worst(worst: &Worst, summary: &Summary) -> Value {
    json!({
        "number": worst.number,
        "change": worst.change,
        "text": worst.before,
        "changed": worst.after,
        "label": summary.labels[worst.from],
        "changed_label": summary.labels[worst.to],
        "probability_shift": worst.shift,
        "flipped": worst.from != worst.to,
    })
}

fn change(row: &ChangeRow, summary: &Summary) -> Value {
    let shift = |(label, shift): (&String, &Interval)| json!({ "label": label, "mean": shift.mean, "interval": [shift.low, shift.high] });
    json!({
        "property": row.property,
        "change": row.change,
        "texts": row.texts,
        "flips": row.flips,
        "shifts": summary.labels.iter().zip(&row.shifts).map(shift).collect::<Vec<_>>(),
    })
}

fn interval(interval: Option<Interval>) -> Value {
    interval.map_or(Value::Null, |one| json!({ "mean": one.mean, "interval": [one.low, one.high] }))
}
