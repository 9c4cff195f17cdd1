//! How far to trust an answer.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::evaluation::{self, Evaluation, Value};

/// A number, or some with names.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Measured {
    Number(f32),
    Parts(BTreeMap<&'static str, f32>),
}

/// How far two methods say the same of the words.
#[derive(Serialize, ToSchema)]
pub struct Agreement {
    #[schema(min_items = 2, max_items = 2)]
    pub methods: [String; 2],
    /// The words that count as the top ones: a quarter of all.
    pub k: usize,
    /// Share of the top k words that both have.
    pub top_k_feature: f32,
    /// Share of the top k places that have the same word.
    pub top_k_rank: f32,
    /// Share of the top k words that both have with the same sign.
    pub sign: f32,
    /// Rank correlation over all words, where neither side is all alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spearman: Option<f32>,
}

/// Something that makes an answer worth less.
#[derive(Serialize, ToSchema)]
pub struct Warning {
    #[schema(example = "nearly_indifferent")]
    pub code: &'static str,
    /// In plain words.
    pub detail: String,
}

type ByMethod = BTreeMap<String, BTreeMap<&'static str, Measured>>;

/// By method, and between methods.
pub fn evaluation(found: Option<Evaluation>) -> (Option<ByMethod>, Option<Vec<Agreement>>) {
    let Some(found) = found else { return (None, None) };
    let measures = |list: Vec<(&'static str, Value)>| {
        list.into_iter().map(|(name, value)| (name, measured(value))).collect()
    };
    let by_method = found.of_methods.into_iter().map(|(method, list)| (method, measures(list)));
    let agreement = found.agreement.map(|list| list.into_iter().map(agreement).collect());
    (Some(by_method.collect()), agreement)
}

fn measured(value: Value) -> Measured {
    match value {
        Value::Number(number) => Measured::Number(super::number(number)),
        Value::Parts(parts) => Measured::Parts(
            parts.into_iter().map(|(name, number)| (name, super::number(number))).collect(),
        ),
    }
}

fn agreement(found: evaluation::Agreement) -> Agreement {
    Agreement {
        methods: found.methods,
        k: found.k,
        top_k_feature: found.top_k_feature as f32,
        top_k_rank: found.top_k_rank as f32,
        sign: found.sign as f32,
        spearman: found.spearman.map(|correlation| correlation as f32),
    }
}

pub fn warning(warning: evaluation::Warning) -> Warning {
    Warning { code: warning.code, detail: warning.detail }
}
