//! A global surrogate: a decision tree over the words of a text, fitted to the predictions of a
//! model for the texts of a corpus and evaluated on held-out texts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::cart::{self, Leaf, Node, Observation, Size};
use crate::error::{Error, Result};
use crate::explainer::Explainer;
use crate::explanation::{Predicted, Question};
use crate::model::Model;
use crate::random::Generator;
use crate::text::tokenizer::Truncate;
use crate::text::{Input, borders};

/// Texts per prediction request.
const BATCH: usize = 64;

/// The share of the texts to evaluate the tree on.
const HELD_OUT: f64 = 0.2;

/// Limits of the vocabulary: the most words, and the fewest texts that must contain a word, as a
/// share of all texts and as a number.
const MAX_WORDS: usize = 2_000;
const MIN_SHARE: f64 = 0.002;
const MIN_TEXTS: usize = 5;

/// The fewest texts in a leaf, as a share of all.
const MIN_LEAF: f64 = 0.005;

/// Random stream of the seed that selects the held-out texts.
const HOLD_OUT: u64 = 20;

/// A surrogate tree of a model over a corpus.
#[derive(Debug, Clone)]
pub struct GlobalTree {
    pub paths: Vec<GlobalPath>,
    /// The share of the held-out texts for which tree and model agree.
    pub fidelity: f64,
    /// The same for a tree that always predicts the most frequent label.
    pub majority: f64,
    pub learnt_from: usize,
    pub held_out: usize,
    /// Size of the vocabulary.
    pub words: usize,
}

/// A path from the root to a leaf.
#[derive(Debug, Clone)]
pub struct GlobalPath {
    pub conditions: Vec<(String, bool)>,
    pub then: usize,
    /// The share of the training texts that follow this path.
    pub share: f64,
    /// The share of these that have the label `then`.
    pub confidence: f64,
}

/// Fits a tree to the predictions of `model`. Calls `done` with the number of texts in each
/// predicted batch. Texts that cannot be encoded are left out.
pub async fn learn(
    explainer: &Explainer,
    model: &Arc<Model>,
    texts: &[String],
    depth: usize,
    seed: u64,
    done: impl Fn(usize),
) -> Result<GlobalTree> {
    let mut predicted: Vec<(&str, usize)> = Vec::with_capacity(texts.len());
    for batch in texts.chunks(BATCH) {
        let labels = labels(explainer, model, batch).await?;
        let labelled = batch.iter().zip(labels);
        predicted.extend(labelled.filter_map(|(text, label)| Some((text.as_str(), label?))));
        done(batch.len());
    }
    if predicted.len() < 2 * MIN_TEXTS {
        let detail = format!("a tree needs at least {} valid texts", 2 * MIN_TEXTS);
        return Err(Error::field("/data", detail));
    }
    Ok(tree(&predicted, model.outputs(), depth, seed))
}

/// Returns the predicted label of each text; `None` if it cannot be encoded.
async fn labels(
    explainer: &Explainer,
    model: &Arc<Model>,
    texts: &[String],
) -> Result<Vec<Option<usize>>> {
    let input = |text: &String| Input {
        text: text.clone(),
        pointer: "/inputs".to_owned(),
        ..Input::default()
    };
    let inputs = texts.iter().map(input).collect();
    let question =
        Question { truncate: Truncate::Yes, ..Question::prediction(Arc::clone(model), inputs) };
    let answer = explainer.explain(question).await?;
    let label = |result: Result<crate::explanation::Explained>| match result.ok()?.predicted {
        Predicted::Labels(predictions) => predictions.first().map(|first| first.index),
        _ => None,
    };
    Ok(answer.results.into_iter().map(|(_, result)| label(result)).collect())
}

fn tree(predicted: &[(&str, usize)], classes: usize, depth: usize, seed: u64) -> GlobalTree {
    let bags: Vec<HashSet<String>> = predicted.iter().map(|(text, _)| words(text)).collect();
    let vocabulary = vocabulary(&bags);
    let observation = |(bag, (_, class)): (&HashSet<String>, &(&str, usize))| Observation {
        present: vocabulary.iter().map(|word| bag.contains(word)).collect(),
        class: *class,
        weight: 1.,
    };
    let all: Vec<Observation> = bags.iter().zip(predicted).map(observation).collect();
    let count = ((all.len() as f64 * HELD_OUT).ceil() as usize).min(all.len() - 1);
    let chosen = Generator::stream(seed, HOLD_OUT).choose(count, all.len());
    let held_out: HashSet<usize> = chosen.into_iter().collect();
    let side = |held: bool| -> Vec<&Observation> {
        let own = all.iter().enumerate().filter(|(index, _)| held_out.contains(index) == held);
        own.map(|(_, observation)| observation).collect()
    };
    let (training, test) = (side(false), side(true));
    let leaf = ((training.len() as f64 * MIN_LEAF).ceil() as usize).max(MIN_TEXTS);
    let grown = cart::grow(&training, classes, Size { depth, leaf }).simplified();
    let baseline = cart::grow(&training, classes, Size { depth: 0, leaf });
    let path = |Leaf { conditions, weights }: Leaf| {
        let (then, own) = (cart::majority(&weights), weights.iter().sum::<f64>());
        let condition = |(word, present): (usize, bool)| (vocabulary[word].clone(), present);
        GlobalPath {
            conditions: conditions.into_iter().map(condition).collect(),
            then,
            share: own / training.len() as f64,
            confidence: weights[then] / own,
        }
    };
    GlobalTree {
        paths: grown.leaves().into_iter().map(path).collect(),
        fidelity: agreement(&grown, &test),
        majority: agreement(&baseline, &test),
        learnt_from: training.len(),
        held_out: test.len(),
        words: vocabulary.len(),
    }
}

/// Returns the distinct words of a text in lower case.
fn words(text: &str) -> HashSet<String> {
    let chars: Vec<char> = text.chars().collect();
    let word = |(start, end): (usize, usize)| {
        chars[start..end].iter().flat_map(|c| c.to_lowercase()).collect::<String>()
    };
    let all = borders::words(text).into_iter().map(word);
    all.filter(|word| word.chars().any(char::is_alphanumeric)).collect()
}

/// Returns the words that are neither too rare nor in every text, most frequent first.
fn vocabulary(bags: &[HashSet<String>]) -> Vec<String> {
    let mut counts: HashMap<&String, usize> = HashMap::new();
    bags.iter().flatten().for_each(|word| *counts.entry(word).or_default() += 1);
    let fewest = ((bags.len() as f64 * MIN_SHARE).ceil() as usize).max(MIN_TEXTS);
    let is_useful = |count: usize| (fewest..bags.len()).contains(&count);
    let mut words: Vec<(&String, usize)> =
        counts.into_iter().filter(|(_, count)| is_useful(*count)).collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    words.into_iter().take(MAX_WORDS).map(|(word, _)| word.clone()).collect()
}

fn agreement(tree: &Node, test: &[&Observation]) -> f64 {
    let agreeing = test.iter().filter(|one| tree.class(&one.present) == one.class);
    agreeing.count() as f64 / test.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_reproduces_a_model_of_one_word() {
        let texts: Vec<String> = (0..200)
            .map(|i| format!("{} film {}", if i % 3 == 0 { "Great" } else { "a" }, i % 7))
            .collect();
        let predicted: Vec<(&str, usize)> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| (text.as_str(), usize::from(i % 3 == 0)))
            .collect();
        let tree = tree(&predicted, 2, 4, 0);
        let conditions: Vec<_> = tree.paths.iter().map(|path| path.conditions.clone()).collect();
        // "a" and "great" split the texts equally; the more frequent word is first.
        assert_eq!(conditions, [vec![("a".to_owned(), true)], vec![("a".to_owned(), false)]]);
        assert_eq!((tree.fidelity, tree.held_out), (1., 40));
        assert!(tree.majority < 0.9);
    }
}
