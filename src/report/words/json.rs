//! The report as JSON.

use serde_json::{Value, json};

use super::{Class, GroupEffect, Summary, WordEffect};

pub fn json(summary: &Summary) -> Value {
    json!({
        "model": summary.model,
        "revision": summary.revision,
        "data": summary.data,
        "method": summary.method,
        "seed": summary.seed,
        "min_texts": summary.min_texts,
        "texts": summary.texts,
        "texts_in_file": summary.of,
        "repeated": summary.repeated,
        "truncated": summary.truncated,
        "failed": summary.failed,
        "left": summary.left,
        "finished": summary.left == 0,
        "vocabulary": summary.vocabulary,
        "classes": summary.classes.iter().map(class).collect::<Vec<_>>(),
    })
}

fn class(class: &Class) -> Value {
    json!({
        "label": class.label,
        "index": class.index,
        "predicted": class.predicted,
        "groups": class.groups.iter().map(group).collect::<Vec<_>>(),
        "words": class.words.iter().map(word).collect::<Vec<_>>(),
    })
}

fn group(group: &GroupEffect) -> Value {
    json!({
        "name": group.name,
        "texts": group.texts,
        "occurrences": group.occurrences,
        "mean": group.effect.map(|effect| effect.mean),
        "interval": group.effect.map(|effect| [effect.low, effect.high]),
        "total": group.total,
    })
}

fn word(word: &WordEffect) -> Value {
    json!({
        "word": word.word,
        "texts": word.texts,
        "occurrences": word.occurrences,
        "mean": word.effect.mean,
        "interval": [word.effect.low, word.effect.high],
        "certain": word.effect.least_magnitude(),
        "total": word.total,
    })
}
