//! Evaluation measures, agreement of methods, and warnings.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::evaluation::{self, Evaluation, Value};

/// A number, or several numbers by name.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Measured {
    Number(f32),
    Named(BTreeMap<&'static str, f32>),
}

/// Agreement of two methods on the words.
#[derive(Serialize, ToSchema)]
pub struct Agreement {
    #[schema(min_items = 2, max_items = 2)]
    pub methods: [String; 2],
    /// Number of top words compared: a quarter of all words.
    pub k: usize,
    /// Share of the top k words that both methods have.
    pub top_k_feature: f32,
    /// Share of the top k ranks with the same word.
    pub top_k_rank: f32,
    /// Share of the top k words that both methods have with the same sign.
    pub sign: f32,
    /// Rank correlation over all words, unless a method scores all words equally.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spearman: Option<f32>,
}

/// A reason to trust a result less.
#[derive(Serialize, ToSchema)]
pub struct Warning {
    #[schema(example = "nearly_indifferent")]
    pub code: &'static str,
    /// Explanation in words.
    pub detail: String,
}

type ByMethod = BTreeMap<String, BTreeMap<&'static str, Measured>>;

/// Converts the measures by method and the agreement between methods.
pub fn evaluation(result: Option<Evaluation>) -> (Option<ByMethod>, Option<Vec<Agreement>>) {
    let Some(result) = result else { return (None, None) };
    let measures = |list: Vec<(&'static str, Value)>| {
        list.into_iter().map(|(name, value)| (name, measured(value))).collect()
    };
    let by_method = result.of_methods.into_iter().map(|(method, list)| (method, measures(list)));
    let agreement = result.agreement.map(|list| list.into_iter().map(agreement).collect());
    (Some(by_method.collect()), agreement)
}

fn measured(value: Value) -> Measured {
    match value {
        Value::Number(number) => Measured::Number(super::number(number)),
        Value::Named(parts) => Measured::Named(
            parts.into_iter().map(|(name, number)| (name, super::number(number))).collect(),
        ),
    }
}

fn agreement(pair: evaluation::Agreement) -> Agreement {
    Agreement {
        methods: pair.methods,
        k: pair.k,
        top_k_feature: pair.top_k_feature as f32,
        top_k_rank: pair.top_k_rank as f32,
        sign: pair.sign as f32,
        spearman: pair.spearman.map(|correlation| correlation as f32),
    }
}

pub fn warning(warning: evaluation::Warning) -> Warning {
    Warning { code: warning.code, detail: warning.detail }
}
