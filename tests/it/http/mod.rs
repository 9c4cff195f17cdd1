//! The HTTP surface in-process, on the real built-in models.

mod accounting;
mod answers;
mod cache;
mod drift;
mod errors;
mod faults;
mod formats;
mod gateways;
mod hosts;
mod keys;
mod languages;
mod limits;
mod loads;
mod models;
mod operations;
mod priced;
mod streaming;
mod tasks;
mod trust;
mod unsent;
mod windows;

use serde_json::Value;

const GREAT: &str = "This movie is really great.";

/// The word with the highest score of an answer's first explanation.
fn top_word(answer: &Value) -> &str {
    let result = &answer["results"][0];
    let scores = result["explanations"][0]["attributions"]["word"].as_array().unwrap();
    let score = |i: &usize| scores[*i].as_f64().unwrap();
    let top = (0..scores.len()).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    result["words"][top]["text"].as_str().unwrap()
}
