//! A client in Rust: explains texts and prints their words with their scores.
//!
//!     cargo run --example client -- http://127.0.0.1:8080
//!
//! In a crate of your own: cargo add ureq --features json; cargo add serde --features derive;
//! cargo add serde_json

use std::env;
use std::error::Error;

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Answer {
    results: Vec<Item>,
}

/// The result of one input. An input that fails does not affect the others.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Explained(Explained),
    Failed { error: Problem },
}

#[derive(Deserialize)]
struct Explained {
    predictions: Vec<Prediction>,
    words: Vec<Word>,
    explanations: Vec<Explanation>,
}

#[derive(Deserialize)]
struct Prediction {
    label: String,
    probability: f64,
}

#[derive(Deserialize)]
struct Word {
    text: String,
}

#[derive(Deserialize)]
struct Explanation {
    method: String,
    attributions: Attributions,
}

#[derive(Deserialize)]
struct Attributions {
    word: Vec<f64>,
}

/// Why a request, or one of its inputs, was rejected.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let body = json!({
        "inputs": ["The plot was thin, but the music is wonderful.", ""],
        "methods": ["integrated_gradients", {"name": "occlusion", "replacement": "mask"}],
    });
    for item in explain(&url, &body)?.results {
        match item {
            Item::Explained(explained) => print(&explained),
            Item::Failed { error } => println!("{}: {}", error.code, error.detail),
        }
    }
    Ok(())
}

fn explain(url: &str, body: &Value) -> Result<Answer, Box<dyn Error>> {
    // An error's body says what is wrong.
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut response = agent.post(format!("{url}/explain")).send_json(body)?;
    if !response.status().is_success() {
        let problem: Problem = response.body_mut().read_json()?;
        return Err(format!("{}: {}", problem.code, problem.detail).into());
    }
    Ok(response.body_mut().read_json()?)
}

fn print(explained: &Explained) {
    for Prediction { label, probability } in &explained.predictions {
        println!("{label} {probability:.3}");
    }
    for explanation in &explained.explanations {
        println!("{}", explanation.method);
        for (word, score) in explained.words.iter().zip(&explanation.attributions.word) {
            println!("  {:<10} {score:+.4}", word.text);
        }
    }
}
