//! The response: JSON, which the binary form of output tensors may follow.

use axum::http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder};

use super::question::Requested;
use super::request::JSON_LENGTH;
use super::tensor::{self, Elements, Tensor};
use crate::error::{Error, Result};
use crate::explanation::{Answer, Explained};
use crate::http::pieces::Writer;
use crate::http::schemas::{one_of, shape, string};
use crate::model::Model;

/// The response to a request of the Open Inference Protocol.
#[derive(Serialize, ToSchema)]
pub struct InferenceResponse<'a> {
    model_name: &'a str,
    /// The model's revision.
    model_version: &'a str,
    /// The request's, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: Vec<ResponseOutput<'a>>,
}

/// A tensor.
#[derive(Serialize, ToSchema)]
struct ResponseOutput<'a> {
    #[schema(example = "label")]
    name: &'a str,
    /// The first dimension is the inputs. Shorter inputs are padded with empty texts or 0.
    #[schema(example = json!([1]))]
    shape: &'a [usize],
    /// `BYTES`, `FP32` or `INT64`.
    #[schema(example = "BYTES")]
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    /// The elements, row-major; absent for a tensor in binary form.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ElementsShape>)]
    data: Option<&'a Elements>,
}

shape! {
    /// The elements of a tensor.
    ElementsShape []
    ArrayBuilder::new().items(
        one_of("An element.").item(string()).item(ObjectBuilder::new().schema_type(Type::Number)),
    )
}

/// Of a tensor in binary form.
#[derive(Serialize, ToSchema)]
struct BinarySize {
    /// Number of bytes after the JSON that contain it. Tensors are in the order of `outputs`.
    binary_data_size: usize,
}

/// Makes the tensors of an answer. Fails if an input failed, or if a tensor would have more than
/// `limit` bytes.
pub fn tensors(answer: Answer, outputs: &[Requested], limit: usize) -> Result<Vec<Tensor>> {
    let results = answer.results.into_iter().map(|(_, result)| result);
    let mut explained = results.collect::<Result<Vec<Explained>>>()?;
    let tensor = |requested: &Requested| {
        let parts = explained.iter_mut().map(requested.output.part).collect::<Result<_>>()?;
        tensor::stack(requested.output.name, parts, limit)
    };
    outputs.iter().map(tensor).collect()
}

/// Writes the response and returns its header fields.
pub fn write(
    model: &Model,
    id: Option<&str>,
    tensors: &[Tensor],
    outputs: &[Requested],
    writer: &mut Writer,
) -> Result<HeaderMap> {
    let all = || tensors.iter().zip(outputs);
    let described = all().map(|(tensor, requested)| {
        let size = || BinarySize { binary_data_size: tensor.elements.byte_len() };
        ResponseOutput {
            name: tensor.name,
            shape: &tensor.shape,
            datatype: tensor.elements.datatype(),
            parameters: requested.is_binary.then(size),
            data: (!requested.is_binary).then_some(&tensor.elements),
        }
    });
    writer.json(&InferenceResponse {
        model_name: &model.id,
        model_version: &model.revision,
        id,
        outputs: described.collect(),
    })?;
    let length = writer.len();
    for (tensor, _) in all().filter(|(_, requested)| requested.is_binary) {
        tensor.elements.write(|bytes| writer.bytes(bytes))?;
    }
    let json = HeaderValue::from_static("application/json");
    if !outputs.iter().any(|requested| requested.is_binary) {
        return Ok([(header::CONTENT_TYPE, json)].into_iter().collect());
    }
    let binary = HeaderValue::from_static("application/octet-stream");
    let length = HeaderValue::try_from(length.to_string()).map_err(Error::internal)?;
    Ok([(header::CONTENT_TYPE, binary), (JSON_LENGTH, length)].into_iter().collect())
}
