//! The body of a request: JSON, which the binary form of input tensors may follow.

use axum::http::{HeaderMap, HeaderName};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use std::fmt;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder};

use super::tensor;
use crate::error::{Code, Error, Result, pointer_part};
use crate::http::body;
use crate::http::schemas::{one_of, shape, string};

/// The length of the JSON in a body whose other bytes are tensors.
pub const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// A request for outputs, from either REST or gRPC.
#[derive(Debug)]
pub struct Infer {
    /// The client's name for the request, returned with the response.
    pub id: Option<String>,
    pub parameters: Map<String, Value>,
    pub inputs: Vec<Texts>,
    /// `None` for those of a prediction.
    pub outputs: Option<Vec<RequestOutput>>,
}

/// An input tensor.
#[derive(Debug)]
pub struct Texts {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<u64>,
    pub texts: Vec<String>,
}

/// The body of a request of the Open Inference Protocol.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InferenceRequest {
    /// Returned with the response.
    pub id: Option<String>,
    /// The one in the path counts.
    #[serde(rename = "model_name")]
    _model_name: Option<String>,
    /// `method`, the method of attributions and its options, such as `n_steps`; the fields
    /// `target`, `output`, `normalize`, `truncate`, `seed`, `budget_ms`, `aggregation`,
    /// `handle_impossible_answer`, `max_answer_len` and `top_k` of POST /explain; and
    /// `binary_data_output`, whether outputs are returned in binary form unless they say otherwise.
    #[schema(value_type = Option<ParametersShape>)]
    pub parameters: Option<Map<String, Value>>,
    /// `text`, and `text_pair` if the inputs are pairs.
    #[schema(min_items = 1, max_items = 2)]
    pub inputs: Vec<RequestInput>,
    /// The outputs to return; those of a prediction by default.
    pub outputs: Option<Vec<RequestOutput>>,
}

/// A tensor of texts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestInput {
    #[schema(example = "text")]
    pub name: String,
    /// The number of texts, or that number and 1.
    #[schema(example = json!([1]))]
    pub shape: Vec<u64>,
    #[schema(example = "BYTES")]
    pub datatype: String,
    /// `binary_data_size`: the number of bytes after the JSON that contain the tensor, instead of
    /// `data`.
    #[schema(value_type = Option<ParametersShape>)]
    pub parameters: Option<Map<String, Value>>,
    /// The texts, nested as in `shape` or flat.
    #[schema(value_type = Option<TextsShape>)]
    pub data: Option<Flat>,
}

/// An output to return.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestOutput {
    /// One of those that GET /v2/models/{id} lists.
    #[schema(example = "label")]
    pub name: String,
    /// `binary_data`: whether it is returned in binary form. For attention, also `layers` and
    /// `heads`, each a number or `all`, or for heads `mean`, and `kind`.
    #[schema(value_type = Option<ParametersShape>)]
    pub parameters: Option<Map<String, Value>>,
}

shape! {
    /// Values by name.
    ParametersShape []
    ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(
        AdditionalProperties::RefOr(
            one_of("A value.")
                .item(string())
                .item(ObjectBuilder::new().schema_type(Type::Number))
                .item(ObjectBuilder::new().schema_type(Type::Boolean))
                .into(),
        ),
    ))
}

shape! {
    /// Texts, flat or nested.
    TextsShape []
    ArrayBuilder::new().items(
        one_of("A text, or a list of one.").item(string()).item(
            ArrayBuilder::new().items(string()),
        ),
    )
}

/// The texts of a list, or of a list of lists.
#[derive(Debug, Default)]
pub struct Flat(pub Vec<String>);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = Vec::new();
        deserializer.deserialize_seq(Lists(&mut texts))?;
        Ok(Self(texts))
    }
}

/// Reads a list, or a list of lists.
struct Lists<'a>(&'a mut Vec<String>);

impl<'de> Visitor<'de> for Lists<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(TextOrList(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// Reads a text, or a list of texts.
struct TextOrList<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for TextOrList<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextOrList<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.0.push(text.to_owned());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(text) = list.next_element::<String>()? {
            self.0.push(text);
        }
        Ok(())
    }
}

/// Reads a body, of which the header says how much is JSON.
pub fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Infer> {
    let (json, mut binary) = match json_length(headers)? {
        Some(length) => bytes.split_at_checked(length).ok_or_else(|| {
            let detail =
                format!("{JSON_LENGTH} is {length}, but the body has {} bytes", bytes.len());
            Error::new(Code::BadRequest, detail)
        })?,
        None => {
            body::check_type(headers)?;
            (bytes, &[][..])
        }
    };
    let request: InferenceRequest = body::parse(json)?;
    let read_one = |(index, input): (usize, RequestInput)| {
        let at = |error: Error| error.within(&format!("/inputs/{index}"));
        input.read(&mut binary).map_err(at)
    };
    let inputs = request.inputs.into_iter().enumerate().map(read_one).collect::<Result<_>>()?;
    if !binary.is_empty() {
        let detail = format!("{} bytes after the JSON belong to no input", binary.len());
        return Err(Error::field("/inputs", detail));
    }
    Ok(Infer {
        id: request.id,
        parameters: request.parameters.unwrap_or_default(),
        inputs,
        outputs: request.outputs,
    })
}

fn json_length(headers: &HeaderMap) -> Result<Option<usize>> {
    let Some(value) = headers.get(JSON_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    length.map(Some).ok_or_else(|| {
        Error::new(Code::BadRequest, format!("{JSON_LENGTH} must be a number of bytes"))
    })
}

impl RequestInput {
    /// Reads the texts, from the first bytes of `binary` if they are there. Pointers in errors are
    /// relative.
    fn read(self, binary: &mut &[u8]) -> Result<Texts> {
        let Self { name, shape, datatype, parameters, data } = self;
        let mut parameters = parameters.unwrap_or_default();
        let size = parameters.remove("binary_data_size");
        if let Some(other) = parameters.keys().next() {
            let detail = format!("an input has no parameter {other}");
            return Err(Error::field(format!("/parameters{}", pointer_part(other)), detail));
        }
        let texts = match (data, size) {
            (Some(Flat(texts)), None) => texts,
            (None, Some(size)) => {
                let pointer = "/parameters/binary_data_size";
                let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
                let part = size.and_then(|size| binary.split_at_checked(size));
                let (own, rest) = part.ok_or_else(|| {
                    let detail = format!(
                        "binary_data_size must be a number of bytes, of which {} follow the JSON",
                        binary.len()
                    );
                    Error::field(pointer, detail)
                })?;
                *binary = rest;
                tensor::texts(own).map_err(|detail| Error::field("/data", detail))?
            }
            (Some(_), Some(_)) => {
                return Err(Error::field("/data", "an input has either data or binary_data_size"));
            }
            (None, None) => {
                return Err(Error::field("", "an input needs data or binary_data_size"));
            }
        };
        Ok(Texts { name, datatype, shape, texts })
    }
}
