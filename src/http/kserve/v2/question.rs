//! Converts a request for outputs to one of the service itself.

use serde_json::{Map, Value, json};

use super::outputs::{self, Needs, Output};
use super::request::{Infer, RequestOutput, Texts};
use crate::attribution::{self, Granularity};
use crate::error::{Code, Error, Result, pointer_part};
use crate::http::body;
use crate::http::inputs::{InputObject, InputShape};
use crate::http::request::ExplainRequest;
use crate::http::shapes::OneOrMany;
use crate::model::Model;

/// The parameters of a request that are fields of POST /explain.
const FIELDS: [&str; 10] = [
    "target",
    "output",
    "normalize",
    "truncate",
    "seed",
    "budget_ms",
    "aggregation",
    "handle_impossible_answer",
    "max_answer_len",
    "top_k",
];

const METHOD: &str = "method";
const BINARY: &str = "binary_data";
const BINARY_OUTPUT: &str = "binary_data_output";

/// The parameters of attention.
const SELECTION: [&str; 3] = ["layers", "heads", "kind"];

/// The inputs: their names, and the field of POST /explain that each of them is.
pub const INPUTS: [&str; 2] = ["text", "text_pair"];

/// An output to return.
#[derive(Clone, Copy)]
pub struct Requested {
    pub output: &'static Output,
    pub is_binary: bool,
}

/// What a request means.
pub struct Meaning {
    pub request: ExplainRequest,
    pub outputs: Vec<Requested>,
    /// Where errors point to.
    pub places: Places,
}

/// The positions of inputs and outputs in the request.
#[derive(Default, Clone)]
pub struct Places {
    inputs: [Option<usize>; 2],
    attention: Option<usize>,
}

/// Converts a request for outputs of `model`.
pub fn meaning(model: &Model, infer: Infer) -> Result<Meaning> {
    let Infer { id: _, mut parameters, inputs, outputs } = infer;
    let all_binary =
        flag(parameters.remove(BINARY_OUTPUT), &format!("/parameters/{BINARY_OUTPUT}"))?;
    let (outputs, selection, attention) =
        requested(model, outputs, all_binary.unwrap_or_default())?;
    let (inputs, places) = rows(inputs)?;
    let places = Places { inputs: places, attention };
    let needs = |what: Needs| outputs.iter().any(|requested| requested.output.needs == what);
    let units = [("token", Granularity::Token), ("word", Granularity::Word)];
    let units: Vec<&str> = units
        .into_iter()
        .filter(|(_, unit)| needs(Needs::Scores(*unit)))
        .map(|(name, _)| name)
        .collect();
    let mut fields = Map::new();
    for field in FIELDS {
        fields.extend(parameters.remove(field).map(|value| (field.to_owned(), value)));
    }
    if fields.get("target").is_some_and(|target| target == "all") {
        return Err(Error::field("/parameters/target", "the target must be one class"));
    }
    let methods = match units.is_empty() {
        false => json!([method(parameters, attribution::default_for(model))]),
        true => no_method(parameters)?,
    };
    fields.extend([
        ("model".to_owned(), json!(model.id)),
        ("inputs".to_owned(), json!("")),
        ("methods".to_owned(), methods),
        ("granularity".to_owned(), json!(units)),
        ("attention".to_owned(), attention.map_or(json!(false), |_| selection)),
        ("lexicon".to_owned(), json!({})),
    ]);
    let request = body::from_value(Value::Object(fields)).map_err(|error| places.located(error))?;
    let request = ExplainRequest { inputs: OneOrMany::Many(inputs), ..request };
    Ok(Meaning { request, outputs, places })
}

/// The method of the parameters, with those that are its options.
fn method(mut parameters: Map<String, Value>, default: &str) -> Value {
    let name = parameters.remove(METHOD);
    parameters.insert("name".to_owned(), name.unwrap_or_else(|| json!(default)));
    Value::Object(parameters)
}

/// An empty list of methods. Fails if there are parameters for one.
fn no_method(parameters: Map<String, Value>) -> Result<Value> {
    match parameters.keys().next() {
        None => Ok(json!([])),
        Some(name) => {
            let detail = format!(
                "{name} is neither a parameter of predictions nor used without the outputs \
                 attributions and word_attributions"
            );
            Err(Error::field(format!("/parameters{}", pointer_part(name)), detail))
        }
    }
}

/// Returns the outputs, the selection of attention as POST /explain has it, and its position.
fn requested(
    model: &Model,
    outputs: Option<Vec<RequestOutput>>,
    all_binary: bool,
) -> Result<(Vec<Requested>, Value, Option<usize>)> {
    let Some(named) = outputs else {
        let of_prediction = outputs::of(model).filter(|output| output.needs == Needs::Prediction);
        let requested = of_prediction.map(|output| Requested { output, is_binary: all_binary });
        return Ok((requested.collect(), Value::Null, None));
    };
    let mut requested: Vec<Requested> = Vec::new();
    let (mut selection, mut attention) = (Value::Null, None);
    for (index, RequestOutput { name, parameters }) in named.into_iter().enumerate() {
        let pointer = format!("/outputs/{index}");
        let output = outputs::of(model).find(|output| output.name == name).ok_or_else(|| {
            let known: Vec<&str> = outputs::of(model).map(|output| output.name).collect();
            let detail =
                format!("{} has no output {name:?}; it has {}", model.id, known.join(", "));
            Error::field(format!("{pointer}/name"), detail)
        })?;
        if requested.iter().any(|other| other.output == output) {
            return Err(Error::field(
                format!("{pointer}/name"),
                format!("{name} is requested twice"),
            ));
        }
        let mut parameters = parameters.unwrap_or_default();
        let binary = flag(parameters.remove(BINARY), &format!("{pointer}/parameters/{BINARY}"))?;
        if output.needs == Needs::Attention {
            selection = selected(&mut parameters);
            attention = Some(index);
        }
        if let Some(other) = parameters.keys().next() {
            let detail = format!("{name} has no parameter {other}");
            return Err(Error::field(
                format!("{pointer}/parameters{}", pointer_part(other)),
                detail,
            ));
        }
        requested.push(Requested { output, is_binary: binary.unwrap_or(all_binary) });
    }
    Ok((requested, selection, attention))
}

/// Converts the parameters of attention: a number is a list of one.
fn selected(parameters: &mut Map<String, Value>) -> Value {
    let own = SELECTION.into_iter().filter_map(|name| Some((name, parameters.remove(name)?)));
    let list = |value: Value| if value.is_number() { json!([value]) } else { value };
    Value::Object(own.map(|(name, value)| (name.to_owned(), list(value))).collect())
}

fn flag(value: Option<Value>, pointer: &str) -> Result<Option<bool>> {
    match value {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(_) => Err(Error::field(pointer, "must be true or false")),
    }
}

/// Converts the tensors to inputs.
fn rows(tensors: Vec<Texts>) -> Result<(Vec<InputShape>, [Option<usize>; 2])> {
    let mut places = [None; 2];
    let mut columns: [Vec<String>; 2] = Default::default();
    for (index, tensor) in tensors.into_iter().enumerate() {
        let at = |error: Error| error.within(&format!("/inputs/{index}"));
        let which = INPUTS.iter().position(|name| *name == tensor.name);
        let which = which.ok_or_else(|| {
            let detail = format!(
                "there is no input {:?}; the inputs are {}",
                tensor.name,
                INPUTS.join(", ")
            );
            at(Error::field("/name", detail))
        })?;
        if places[which].replace(index).is_some() {
            return Err(at(Error::field("/name", format!("{} is there twice", tensor.name))));
        }
        columns[which] = checked(tensor).map_err(at)?;
    }
    let [texts, pairs] = columns;
    if places[0].is_none() {
        return Err(Error::field("/inputs", "the input text is missing"));
    }
    if let Some(index) = places[1].filter(|_| pairs.len() != texts.len()) {
        let detail = format!("text has {} elements, text_pair {}", texts.len(), pairs.len());
        return Err(Error::field(format!("/inputs/{index}/shape"), detail));
    }
    let mut pairs = pairs.into_iter();
    let row = |text| {
        InputShape::Object(InputObject {
            text: Some(text),
            text_pair: pairs.next(),
            ..InputObject::default()
        })
    };
    Ok((texts.into_iter().map(row).collect(), places))
}

/// Returns the texts of a tensor if its type and shape are right.
fn checked(tensor: Texts) -> Result<Vec<String>> {
    let Texts { name, datatype, shape, texts } = tensor;
    if datatype != "BYTES" {
        return Err(Error::field(
            "/datatype",
            format!("{name} has the datatype BYTES, not {datatype:?}"),
        ));
    }
    let count = texts.len() as u64;
    match shape.as_slice() {
        [length] | [length, 1] if *length == count => Ok(texts),
        [_] | [_, 1] => Err(Error::field(
            "/shape",
            format!("the shape is {shape:?}, but there are {count} texts"),
        )),
        _ => {
            let detail = format!("{name} has the shape [N] or [N, 1], not {shape:?}");
            Err(Error::field("/shape", detail))
        }
    }
}

impl Places {
    /// Converts the pointer of an error to one into the request.
    pub fn located(&self, mut error: Error) -> Error {
        let Some(pointer) = error.pointer.take() else { return error };
        let parts: Vec<&str> = pointer.split('/').skip(1).collect();
        match parts.as_slice() {
            // The path has the model.
            ["model"] => error,
            ["inputs", row, field] => {
                let which = INPUTS.iter().position(|name| name == field);
                let index = which.and_then(|which| self.inputs[which]).unwrap_or_default();
                if let Some(rest) = error.detail.strip_prefix(&format!("inputs[{row}].{field}")) {
                    error.detail = format!("inputs[{index}].data[{row}]{rest}");
                }
                error.at(format!("/inputs/{index}/data/{row}"))
            }
            ["inputs", ..] => error.at("/inputs"),
            ["methods", _, "name"] | ["methods", _] | ["methods"] => {
                error.at(format!("/parameters/{METHOD}"))
            }
            ["methods", _, option, ..] => error.at(format!("/parameters/{option}")),
            ["attention", rest @ ..] => {
                let index = self.attention.unwrap_or_default();
                let option =
                    rest.first().map_or(String::new(), |name| format!("/parameters/{name}"));
                error.at(format!("/outputs/{index}{option}"))
            }
            _ if error.code == Code::InvalidField && pointer.starts_with("/outputs") => {
                error.at(pointer)
            }
            _ => error.at(format!("/parameters{pointer}")),
        }
    }
}
