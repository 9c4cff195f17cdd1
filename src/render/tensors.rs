//! An answer as a safetensors file: numbers as tensors, and the JSON of the rest
//! in the metadata, where each array that became a tensor names it.
//!
//! A tensor is called by the place of its array in the JSON:
//! `results.0.attention.weights`.

use std::collections::HashMap;
use std::mem;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Serialize;
use serde_json::{Value, json};

use super::json;
use crate::attribution::Granularity;
use crate::error::{Error, Result};
use crate::explanation::{Answer, Attention, Explained, Explanation, Predicted, Similarity};

/// The key of the metadata that holds the JSON.
const KEY: &str = "explaind";

/// Numbers that left the answer.
struct Tensor {
    /// JSON pointer of the array.
    pointer: String,
    shape: Vec<usize>,
    /// f32, little end first.
    bytes: Vec<u8>,
}

impl Tensor {
    fn new(pointer: String, shape: Vec<usize>, values: &[f64]) -> Self {
        let bytes = values.iter().flat_map(|&value| json::number(value).to_le_bytes()).collect();
        Self { pointer, shape, bytes }
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

/// The file of an answer; `problem` says how an input's error is written.
pub fn render<E: Serialize>(mut answer: Answer, problem: impl Fn(Error) -> E) -> Result<Vec<u8>> {
    let tensors = taken(&mut answer);
    let mut rest = serde_json::to_value(json::explain(answer, problem)).map_err(Error::internal)?;
    for tensor in &tensors {
        let missing = || Error::internal(format!("the answer has no {}", tensor.pointer));
        let place = rest.pointer_mut(&tensor.pointer).ok_or_else(missing)?;
        *place = json!({ "tensor": tensor.name() });
    }
    file(&tensors, &rest)
}

fn file(tensors: &[Tensor], rest: &Value) -> Result<Vec<u8>> {
    let views = tensors.iter().map(Tensor::view).collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), rest.to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(Error::internal)
}

/// Takes the numbers out of an answer. Where they were, its JSON has empty arrays.
fn taken(answer: &mut Answer) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    for (place, (_, result)) in answer.results.iter_mut().enumerate() {
        if let Ok(explained) = result {
            of_result(explained, &format!("/results/{place}"), &mut tensors);
        }
    }
    tensors
}

fn of_result(explained: &mut Explained, path: &str, tensors: &mut Vec<Tensor>) {
    for (place, explanation) in explained.explanations.iter_mut().enumerate() {
        let path = format!("{path}/explanations/{place}/attributions");
        of_explanation(explanation, &path, tensors);
    }
    if let Some(attention) = &mut explained.attention {
        tensors.push(of_attention(attention, &format!("{path}/attention")));
    }
    if let Predicted::Similarity(similarity) = &mut explained.predicted {
        of_similarity(similarity, &format!("{path}/similarity"), tensors);
    }
}

fn of_explanation(explanation: &mut Explanation, path: &str, tensors: &mut Vec<Tensor>) {
    for (unit, name) in [
        (Granularity::Token, "token"),
        (Granularity::Word, "word"),
        (Granularity::Sentence, "sentence"),
        (Granularity::Span, "span"),
    ] {
        // A unit that was asked for twice is answered once.
        if let Some((_, scores)) = explanation.scores.iter_mut().find(|(own, _)| *own == unit) {
            tensors.push(Tensor::vector(format!("{path}/{name}"), &mem::take(scores)));
        }
    }
}

fn of_attention(attention: &mut Attention, path: &str) -> Tensor {
    let heads = attention.heads.as_ref().map_or(1, Vec::len);
    let shape = vec![attention.layers.len(), heads, attention.tokens, attention.tokens];
    Tensor::new(format!("{path}/weights"), shape, &mem::take(&mut attention.weights))
}

fn of_similarity(similarity: &mut Similarity, path: &str, tensors: &mut Vec<Tensor>) {
    let embedding = mem::take(&mut similarity.embedding);
    tensors.push(Tensor::vector(format!("{path}/embedding"), &embedding));
    let Some(pair) = &mut similarity.pair else { return };
    let embedding = mem::take(&mut pair.embedding);
    tensors.push(Tensor::vector(format!("{path}/embedding_pair"), &embedding));
    if let Some(rows) = &mut pair.matrix {
        let shape = vec![rows.len(), rows.first().map_or(0, Vec::len)];
        tensors.push(Tensor::new(format!("{path}/matrix"), shape, &mem::take(rows).concat()));
    }
}
