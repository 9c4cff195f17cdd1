//! The report as JSON.

use serde_json::{Value, json};

use super::{Ablated, Ablation, HeadRow, Summary};
use crate::choice::Choice;
use crate::evaluation::interval::Interval;

pub fn json(summary: &Summary) -> Value {
    json!({
        "model": summary.model,
        "revision": summary.revision,
        "data": summary.data,
        "texts": summary.texts,
        "texts_in_file": summary.of,
        "repeated": summary.repeated,
        "truncated": summary.truncated,
        "failed": summary.failed,
        "first_failure": summary.first_failure,
        "left": summary.left,
        "finished": summary.left + summary.ablation.as_ref().map_or(0, |one| one.left) == 0,
        "shape": [summary.layers, summary.heads_per_layer],
        "heads": summary.heads.iter().map(head).collect::<Vec<_>>(),
        "ablation": summary.ablation.as_ref().map(ablation),
    })
}

fn interval(of: Interval) -> Value {
    json!({ "mean": of.mean, "interval": [of.low, of.high] })
}

fn head(row: &HeadRow) -> Value {
    json!({
        "layer": row.head.layer,
        "head": row.head.head,
        "importance": interval(row.size),
        "signed": interval(row.signed),
        "pattern": row.pattern.name(),
        "pattern_share": row.share,
    })
}

fn ablation(of: &Ablation) -> Value {
    json!({
        "texts": of.texts,
        "failed": of.failed,
        "first_failure": of.first_failure,
        "left": of.left,
        "labelled": of.labelled,
        "accuracy": of.accuracy,
        "heads": of.heads.iter().map(ablated).collect::<Vec<_>>(),
    })
}

fn ablated(one: &Ablated) -> Value {
    json!({
        "layer": one.head.layer,
        "head": one.head.head,
        "estimate": one.estimate,
        "change": interval(one.change),
        "flips": one.flips.map(|(count, _)| count),
        "flipped": one.flips.map(|(_, share)| interval(share)),
        "accuracy_change": one.accuracy.map(interval),
    })
}
