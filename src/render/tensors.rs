//! A response as a safetensors file: number arrays as tensors, and the rest as JSON in the
//! metadata, with `{"tensor": name}` in place of each array.
//!
//! A tensor is named after the path of its array in the JSON: `results.0.attention.weights`.

use std::collections::HashMap;
use std::mem;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Serialize;
use serde_json::{Value, json};

use super::json;
use super::summary::Summary;
use crate::attribution::{Granularity, Interactions, Pairs};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Attention, Explained, Inside, Predicted, Similarity, UnitScores};

/// The metadata key that holds the JSON.
const KEY: &str = "explaind";

/// An array moved out of the JSON.
struct Tensor {
    /// JSON pointer of the array.
    pointer: String,
    shape: Vec<usize>,
    /// Little-endian f32.
    bytes: Vec<u8>,
}

impl Tensor {
    fn new(pointer: String, shape: Vec<usize>, values: &[f64]) -> Self {
        let bytes = values.iter().flat_map(|&value| json::number(value).to_le_bytes()).collect();
        Self { pointer, shape, bytes }
    }

    fn matrix(pointer: String, rows: Vec<Vec<f64>>) -> Self {
        let shape = vec![rows.len(), rows.first().map_or(0, Vec::len)];
        Self::new(pointer, shape, &rows.concat())
    }

    fn vector(pointer: String, values: &[f64]) -> Self {
        Self::new(pointer, vec![values.len()], values)
    }

    fn name(&self) -> String {
        self.pointer.trim_start_matches('/').replace('/', ".")
    }

    fn view(&self) -> Result<(String, TensorView<'_>)> {
        let view = TensorView::new(Dtype::F32, self.shape.clone(), &self.bytes);
        Ok((self.name(), view.map_err(Error::internal)?))
    }
}

/// Renders the response; `problem` converts the error of an input.
pub fn render<E: Serialize>(mut answer: Answer, problem: impl Fn(Error) -> E) -> Result<Vec<u8>> {
    // Written before the scores are taken out of the answer.
    let summaries = summaries(&answer);
    let tensors = take_tensors(&mut answer);
    let mut rest = serde_json::to_value(json::explain(answer, problem)).map_err(Error::internal)?;
    for (index, summary) in summaries {
        rest["results"][index]["summary"] = json!(summary);
    }
    for tensor in &tensors {
        let missing = || Error::internal(format!("the answer has no {}", tensor.pointer));
        let array = rest.pointer_mut(&tensor.pointer).ok_or_else(missing)?;
        *array = json!({ "tensor": tensor.name() });
    }
    file(&tensors, &rest)
}

/// The summaries of the results, by their indexes.
fn summaries(answer: &Answer) -> Vec<(usize, Summary)> {
    let results = answer.results.iter().enumerate();
    let explained = results.filter_map(|(index, (_, result))| Some((index, result.as_ref().ok()?)));
    explained.map(|(index, one)| (index, Summary::of(one, &answer.model))).collect()
}

fn file(tensors: &[Tensor], rest: &Value) -> Result<Vec<u8>> {
    let views = tensors.iter().map(Tensor::view).collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), rest.to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(Error::internal)
}

/// Moves the numbers out of the answer and leaves empty arrays.
fn take_tensors(answer: &mut Answer) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    for (index, (_, result)) in answer.results.iter_mut().enumerate() {
        if let Ok(explained) = result {
            take_result(explained, &format!("/results/{index}"), &mut tensors);
        }
    }
    tensors
}

fn take_result(explained: &mut Explained, path: &str, tensors: &mut Vec<Tensor>) {
    for (index, explanation) in explained.explanations.iter_mut().enumerate() {
        let path = format!("{path}/explanations/{index}");
        take_scores(&mut explanation.scores, &format!("{path}/attributions"), tensors);
        if let Some(errors) = &mut explanation.standard_error {
            take_scores(errors, &format!("{path}/standard_error"), tensors);
        }
        if let Some(Interactions { pairs: Pairs::Between { scores, .. }, .. }) =
            &mut explanation.interactions
        {
            let path = format!("{path}/interactions/scores");
            tensors.push(Tensor::matrix(path, mem::take(scores)));
        }
    }
    if let Some(attention) = &mut explained.attention {
        tensors.push(take_attention(attention, &format!("{path}/attention")));
    }
    if let Some(inside) = &mut explained.inside {
        take_inside(inside, &format!("{path}/inside"), tensors);
    }
    if let Predicted::Similarity(similarity) = &mut explained.predicted {
        take_similarity(similarity, &format!("{path}/similarity"), tensors);
    }
}

fn take_scores(scores: &mut UnitScores, path: &str, tensors: &mut Vec<Tensor>) {
    for (unit, name) in [
        (Granularity::Token, "token"),
        (Granularity::Word, "word"),
        (Granularity::Sentence, "sentence"),
        (Granularity::Span, "span"),
    ] {
        // A granularity that was requested twice has scores once.
        if let Some((_, scores)) = scores.iter_mut().find(|(own, _)| *own == unit) {
            tensors.push(Tensor::vector(format!("{path}/{name}"), &mem::take(scores)));
        }
    }
}

fn take_attention(attention: &mut Attention, path: &str) -> Tensor {
    let heads = attention.heads.as_ref().map_or(1, Vec::len);
    let shape = vec![attention.layers.len(), heads, attention.tokens, attention.tokens];
    Tensor::new(format!("{path}/weights"), shape, &mem::take(&mut attention.weights))
}

fn take_inside(inside: &mut Inside, path: &str, tensors: &mut Vec<Tensor>) {
    if let Some(conductance) = &mut inside.conductance {
        let path = format!("{path}/conductance");
        tensors.push(Tensor::matrix(format!("{path}/token"), mem::take(&mut conductance.tokens)));
        tensors.push(Tensor::matrix(format!("{path}/word"), mem::take(&mut conductance.words)));
    }
    if let Some(heads) = &mut inside.head_importance {
        let path = format!("{path}/head_importance/scores");
        tensors.push(Tensor::matrix(path, mem::take(&mut heads.scores)));
    }
}

fn take_similarity(similarity: &mut Similarity, path: &str, tensors: &mut Vec<Tensor>) {
    let embedding = mem::take(&mut similarity.embedding);
    tensors.push(Tensor::vector(format!("{path}/embedding"), &embedding));
    let Some(pair) = &mut similarity.pair else { return };
    let embedding = mem::take(&mut pair.embedding);
    tensors.push(Tensor::vector(format!("{path}/embedding_pair"), &embedding));
    if let Some(rows) = &mut pair.matrix {
        tensors.push(Tensor::matrix(format!("{path}/matrix"), mem::take(rows)));
    }
}
