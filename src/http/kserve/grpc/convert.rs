//! Converts messages to what the REST routes read and write.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::messages::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse,
    ModelMetadataResponse, Parameter, Tensor, TensorMetadata,
};
use crate::error::{Error, Result};
use crate::http::kserve::v2::metadata::{self, ModelMetadata};
use crate::http::kserve::v2::question::Requested;
use crate::http::kserve::v2::request::{Infer, RequestOutput, Texts};
use crate::http::kserve::v2::tensor::{self, Elements};
use crate::model::Model;

/// The form of tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Elements as fields.
    Contents,
    /// Bytes, as in the binary tensor data extension.
    Raw,
}

/// Converts a request, and returns the form of its tensors.
pub fn infer(request: ModelInferRequest) -> Result<(Infer, Form)> {
    let ModelInferRequest { id, parameters, inputs, outputs, raw_input_contents, .. } = request;
    let form = if raw_input_contents.is_empty() { Form::Contents } else { Form::Raw };
    if form == Form::Raw && raw_input_contents.len() != inputs.len() {
        let (raw, count) = (raw_input_contents.len(), inputs.len());
        let detail = format!("there are {raw} raw contents for {count} inputs");
        return Err(Error::field("/raw_input_contents", detail));
    }
    let mut raw = raw_input_contents.into_iter();
    let read = |(index, tensor): (usize, Tensor)| {
        texts(tensor, raw.next()).map_err(|error| error.within(&format!("/inputs/{index}")))
    };
    let inputs = inputs.into_iter().enumerate().map(read).collect::<Result<_>>()?;
    let output = |output: super::messages::InferRequestedOutputTensor| RequestOutput {
        name: output.name,
        parameters: Some(values(output.parameters)),
    };
    let infer = Infer {
        id: Some(id).filter(|id| !id.is_empty()),
        parameters: values(parameters),
        inputs,
        outputs: (!outputs.is_empty()).then(|| outputs.into_iter().map(output).collect()),
    };
    Ok((infer, form))
}

fn texts(tensor: Tensor, raw: Option<Vec<u8>>) -> Result<Texts> {
    let Tensor { name, datatype, shape, contents, .. } = tensor;
    let size = |(index, size): (usize, i64)| {
        let negative = |_| Error::field(format!("/shape/{index}"), "a size cannot be negative");
        u64::try_from(size).map_err(negative)
    };
    let shape = shape.into_iter().enumerate().map(size).collect::<Result<_>>()?;
    let texts = match (raw, contents) {
        (Some(_), Some(_)) => {
            let detail = "an input has either contents or raw_input_contents";
            return Err(Error::field("/contents", detail));
        }
        (Some(raw), None) => tensor::texts(&raw).map_err(|detail| Error::field("/data", detail))?,
        (None, contents) => {
            let read = |(index, bytes)| {
                let detail = |_| Error::field(format!("/data/{index}"), "the text is not UTF-8");
                String::from_utf8(bytes).map_err(detail)
            };
            let bytes = contents.unwrap_or_default().bytes_contents;
            bytes.into_iter().enumerate().map(read).collect::<Result<_>>()?
        }
    };
    Ok(Texts { name, datatype, shape, texts })
}

fn values(parameters: HashMap<String, InferParameter>) -> Map<String, Value> {
    let value = |parameter: InferParameter| match parameter.parameter_choice {
        None => Value::Null,
        Some(Parameter::Bool(value)) => json!(value),
        Some(Parameter::Int64(value)) => json!(value),
        Some(Parameter::String(value)) => json!(value),
        Some(Parameter::Double(value)) => json!(value),
        Some(Parameter::Uint64(value)) => json!(value),
    };
    parameters.into_iter().map(|(name, parameter)| (name, value(parameter))).collect()
}

/// Makes the response. Its tensors have the form of the request's, or are raw if one has to be.
pub fn response(
    model: &Model,
    id: String,
    tensors: Vec<tensor::Tensor>,
    outputs: &[Requested],
    form: Form,
) -> Result<ModelInferResponse> {
    let is_raw = form == Form::Raw || outputs.iter().any(|output| output.is_binary);
    let mut raw_output_contents = Vec::new();
    let mut described = Vec::new();
    for tensor::Tensor { name, shape, elements } in tensors {
        let datatype = elements.datatype().to_owned();
        let contents = match is_raw {
            false => Some(contents(elements)),
            true => {
                let mut bytes = Vec::with_capacity(elements.byte_len());
                elements.write(|part| {
                    bytes.extend_from_slice(part);
                    Ok(())
                })?;
                raw_output_contents.push(bytes);
                None
            }
        };
        described.push(Tensor {
            name: name.to_owned(),
            datatype,
            shape: shape.into_iter().map(|size| size as i64).collect(),
            parameters: HashMap::new(),
            contents,
        });
    }
    Ok(ModelInferResponse {
        model_name: model.id.clone(),
        model_version: model.revision.clone(),
        id,
        outputs: described,
        raw_output_contents,
    })
}

fn contents(elements: Elements) -> InferTensorContents {
    let none = InferTensorContents::default();
    match elements {
        Elements::Texts(texts) => InferTensorContents {
            bytes_contents: texts.into_iter().map(String::into_bytes).collect(),
            ..none
        },
        Elements::Floats(fp32_contents) => InferTensorContents { fp32_contents, ..none },
        Elements::Integers(int64_contents) => InferTensorContents { int64_contents, ..none },
    }
}

pub fn metadata(model: ModelMetadata) -> ModelMetadataResponse {
    let tensor = |tensor: metadata::TensorMetadata| TensorMetadata {
        name: tensor.name.to_owned(),
        datatype: tensor.datatype.to_owned(),
        shape: tensor.shape,
    };
    ModelMetadataResponse {
        name: model.name,
        versions: model.versions.into(),
        platform: model.platform,
        inputs: model.inputs.into_iter().map(tensor).collect(),
        outputs: model.outputs.into_iter().map(tensor).collect(),
    }
}
