//! Tests of the HTTP API in-process, with the built-in models.

mod accounting;
mod answers;
mod beside;
mod cache;
mod cases;
mod concepts;
mod counterfactuals;
mod cut_words;
mod drift;
mod errors;
mod examples;
mod exhaustive;
mod faults;
mod fewer_rows;
mod formats;
mod gateways;
mod hosts;
mod inside;
mod inside_parts;
mod interactions;
mod keys;
mod kserve;
mod languages;
mod late;
mod limits;
mod loads;
mod mixing;
mod models;
mod operations;
mod people;
mod priced;
mod probe;
mod rules;
mod shorthand;
mod streaming;
mod summaries;
mod tasks;
mod torchserve;
mod trust;
mod unsent;
mod web;
mod windows;
mod zero_shot;

use explaind::config::{Config, ModelEntry};
use serde_json::Value;

use crate::support::golden_folder;
use crate::support::service::{Running, start_with, untimed};

const GREAT: &str = "This movie is really great.";

/// Starts a service with one of the tiny checkpoints under its folder's name.
async fn serving(folder: &str) -> Running {
    let source = golden_folder(folder).display().to_string();
    let model = ModelEntry::new(folder, source);
    start_with(&Config { models: vec![model], ..untimed() }).await
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Returns `body` with the fields of `more`.
fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Returns the word with the highest score of the first explanation.
fn top_word(answer: &Value) -> &str {
    let result = &answer["results"][0];
    let scores = result["explanations"][0]["attributions"]["word"].as_array().unwrap();
    let score = |i: &usize| scores[*i].as_f64().unwrap();
    let top = (0..scores.len()).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    result["words"][top]["text"].as_str().unwrap()
}
