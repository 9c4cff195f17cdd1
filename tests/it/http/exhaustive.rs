//! Evidence for a tiny model against what all combinations of words give.
//!
//! Every word of the texts is one token, so the model's label for each of the `2^n` texts with some
//! words masked or left out is all that rules and deletions can depend on.

use serde_json::{Value, json};

use super::serving;
use crate::support::service::Running;

const TEXTS: [&str; 5] = [
    "this movie is not very good",
    "a dull story but the actor is fun",
    "they never watch the worst film",
    "the best scene and great music",
    "you like this old book so much",
];

async fn result(service: &Running, route: &str, body: Value) -> Value {
    let reply = service.post(route, body).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()["results"][0].clone()
}

/// Returns the label of each text.
async fn labels(service: &Running, texts: &[String]) -> Vec<String> {
    let mut labels = Vec::new();
    for texts in texts.chunks(64) {
        let answer = service.post("/predict", json!({"inputs": texts})).await.json();
        let results = answer["results"].as_array().unwrap();
        let label = |result: &Value| result["predictions"][0]["label"].as_str().unwrap().to_owned();
        labels.extend(results.iter().map(label));
    }
    labels
}

/// The model's label for a text with each set of present words, `[2^words]`; bit i is word i.
struct Labelled {
    words: Vec<&'static str>,
    labels: Vec<String>,
}

impl Labelled {
    async fn masked(service: &Running, text: &'static str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let masked = |set: usize| {
            let piece = |word: usize| if set >> word & 1 == 1 { words[word] } else { "[MASK]" };
            (0..words.len()).map(piece).collect::<Vec<_>>().join(" ")
        };
        let texts: Vec<String> = (0..1 << words.len()).map(masked).collect();
        Self { labels: labels(service, &texts).await, words }
    }

    fn own(&self) -> &str {
        &self.labels[self.labels.len() - 1]
    }

    /// Returns the set of words with these texts.
    fn set(&self, list: &Value) -> usize {
        let word = |one: &Value| self.words.iter().position(|word| one == word).unwrap();
        list.as_array().unwrap().iter().map(|one| 1 << word(one)).sum()
    }

    /// The share of the texts with the words of `held`, all others present or not with equal
    /// probability, that keep the label.
    fn precision(&self, held: usize) -> f64 {
        let with: Vec<usize> = (0..self.labels.len()).filter(|set| set & held == held).collect();
        let kept = with.iter().filter(|set| self.labels[**set] == self.own()).count();
        kept as f64 / with.len() as f64
    }

    /// The weight of a text for trees: its probability, if every number of absent words is equally
    /// probable, times the kernel of LIME.
    fn weight(&self, set: usize) -> f64 {
        let (n, present) = (self.words.len(), set.count_ones() as usize);
        let choices = (0..present).fold(1., |all, i| all * (n - i) as f64 / (i + 1) as f64);
        let distance = 100. * (1. - (present as f64 / n as f64).sqrt());
        (-(distance / 25.).powi(2)).exp().sqrt() / choices
    }

    /// The weighted share of texts for which `label` gives the model's label.
    fn fidelity(&self, label: impl Fn(usize) -> String) -> f64 {
        let right = (0..self.labels.len()).filter(|set| self.labels[*set] == label(*set));
        right.map(|set| self.weight(set)).sum::<f64>() / self.total()
    }

    fn total(&self) -> f64 {
        (0..self.labels.len()).map(|set| self.weight(set)).sum()
    }

    /// The largest weight of texts among `sets` that a tree of this depth can be right about.
    fn best(&self, sets: &[usize], depth: usize) -> f64 {
        let of_label = |label: &String| {
            let own = sets.iter().filter(|set| self.labels[**set] == *label);
            own.map(|set| self.weight(*set)).sum::<f64>()
        };
        let leaf = sets.iter().map(|set| of_label(&self.labels[*set])).fold(0., f64::max);
        if depth == 0 {
            return leaf;
        }
        let split = |word: usize| {
            let (with, without): (Vec<usize>, Vec<usize>) =
                sets.iter().partition(|set| **set >> word & 1 == 1);
            self.best(&with, depth - 1) + self.best(&without, depth - 1)
        };
        (0..self.words.len()).map(split).fold(leaf, f64::max)
    }
}

#[tokio::test]
async fn the_smallest_anchor() {
    let service = serving("bert-tiny").await;
    for text in TEXTS {
        let all = Labelled::masked(&service, text).await;
        let rule = result(&service, "/rules", json!({"inputs": text})).await["rules"][0].clone();
        let held = all.set(&rule["if"]);
        assert_eq!(rule["then"], all.own());
        assert_eq!(rule["met"], true, "{text}: {rule}");
        let (found, exact) = (rule["precision"].as_f64().unwrap(), all.precision(held));
        let bound = |index: usize| rule["precision_bounds"][index].as_f64().unwrap() - 1e-6;
        assert!(bound(0) <= exact && exact <= bound(1) + 2e-6, "{text}: {exact} is not {rule}");
        assert!((found - exact).abs() < if rule["exact"] == true { 1e-6 } else { 0.05 }, "{rule}");
        let sizes = (0..all.labels.len()).filter(|set| all.precision(*set) >= 0.95);
        let smallest = sizes.map(usize::count_ones).min().unwrap();
        assert_eq!(held.count_ones(), smallest, "{text}: {rule}");
    }
}

#[tokio::test]
async fn the_best_tree() {
    let service = serving("bert-tiny").await;
    for text in TEXTS {
        let all = Labelled::masked(&service, text).await;
        for depth in [1, 2, 3] {
            let body = json!({"inputs": text, "kind": "tree", "depth": depth, "n_samples": 10_000});
            let tree = result(&service, "/rules", body).await["rules"][0].clone();
            let paths = tree["paths"].as_array().unwrap();
            let follows = |path: &Value, set: usize| {
                let holds = |one: &Value| {
                    let word = all.set(&json!([one["word"]]));
                    (set & word != 0) == one["present"].as_bool().unwrap()
                };
                path["if"].as_array().unwrap().iter().all(holds)
            };
            let exact = all.fidelity(|set| {
                let mut own = paths.iter().filter(|path| follows(path, set));
                let label = own.next().unwrap()["then"].as_str().unwrap().to_owned();
                assert!(own.next().is_none(), "two paths for {set:b}: {tree}");
                label
            });
            let found = tree["fidelity"].as_f64().unwrap();
            // Four standard deviations of a share of 5,000 texts, at most.
            assert!((found - exact).abs() < 0.03, "{text}, depth {depth}: {found} is not {exact}");
            let sets: Vec<usize> = (0..all.labels.len()).collect();
            let best = all.best(&sets, depth) / all.total();
            println!("{text}, depth {depth}: {exact} of {best}");
            assert!(exact > best - 0.02, "{text}, depth {depth}: {exact} of {best}");
        }
    }
}

#[tokio::test]
async fn the_fewest_deletions() {
    let service = serving("bert-tiny").await;
    let mut found_any = 0;
    for text in TEXTS {
        let words: Vec<&str> = text.split(' ').collect();
        let sets: Vec<usize> = (1..1 << words.len()).collect();
        let without = |set: &usize| {
            let rest = (0..words.len()).filter(|word| set >> word & 1 == 1).map(|word| words[word]);
            rest.collect::<Vec<_>>().join(" ")
        };
        let texts: Vec<String> = sets.iter().map(without).collect();
        let labels = labels(&service, &texts).await;
        let own = labels.last().unwrap();
        let flips = sets.iter().zip(&labels).filter(|(_, label)| *label != own);
        let fewest = flips.map(|(set, _)| words.len() - set.count_ones() as usize).min();
        let body = json!({"inputs": text, "n": 20, "max_edits": words.len()});
        let found = result(&service, "/counterfactuals", body).await;
        let list = found["counterfactuals"].as_array().unwrap();
        let edits = |one: &Value| one["edits"].as_array().unwrap().clone();
        let size = list.first().map(|one| edits(one).len());
        // Words can also be replaced, which may take fewer edits.
        if let Some(fewest) = fewest {
            assert!(size.is_some_and(|size| size <= fewest), "{text}: {fewest} of {found}");
            found_any += 1;
        }
        for one in list.iter().filter(|one| edits(one).iter().all(|edit| edit["to"] == "")) {
            let kept: Vec<&str> = one["text"].as_str().unwrap().split_whitespace().collect();
            let place = texts.iter().position(|text| *text == kept.join(" ")).unwrap();
            assert_eq!(one["prediction"]["label"], json!(labels[place]));
            assert!(Some(edits(one).len()) >= fewest, "{one}");
        }
    }
    assert!(found_any > 2, "{found_any} texts have deletions that flip");
}
