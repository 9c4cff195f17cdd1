//! The bodies of requests, and the way from them to a validated [`Question`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::shapes::{NameOrList, OneOrMany, PlainOr};
use crate::attribution::{self, DEFAULT_METHOD, MethodEntry, Options};
use crate::attribution::{Granularity, Normalize};
use crate::error::{Code, Error, Result};
use crate::explainer::Explainer;
use crate::explanation::{AttentionSelection, Class, Heads, Question, Selection, Target};
use crate::rows::Output;
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// The body of POST /explain. Only `inputs` is required.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// An id of GET /models; the first configured model where none is named.
    model: Option<String>,
    #[schema(inline)]
    inputs: OneOrMany<InputShape>,
    /// What of the model's answer is explained; `predicted` by default.
    #[schema(inline)]
    target: Option<PlainOr<TargetName, TargetObject>>,
    /// The scalar explained; `logit` by default.
    #[schema(inline)]
    output: Option<OutputName>,
    /// Names, or objects with `name` and the method's own options as GET
    /// /methods lists them; `["integrated_gradients"]` by default.
    methods: Option<Vec<MethodShape>>,
    /// `false`, `true` for every layer and head, or a selection;
    /// `{"layers": [-1], "heads": "mean"}` by default.
    #[schema(inline)]
    attention: Option<PlainOr<bool, AttentionObject>>,
    /// Which scores to return; token and word by default.
    #[schema(inline)]
    granularity: Option<OneOrMany<GranularityName>>,
    /// Scales each list of scores to a norm of 1; `none` by default, so that
    /// completeness can be checked.
    #[schema(inline)]
    normalize: Option<NormalizeName>,
    /// Cuts an input over the model's limit instead of refusing it.
    truncate: Option<bool>,
    /// For sampling methods: the same seed gives the same answer.
    seed: Option<u64>,
    /// The longest that the answer may take.
    #[schema(minimum = 1)]
    budget_ms: Option<u64>,
}

/// The body of POST /predict.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictRequest {
    /// An id of GET /models; the first configured model where none is named.
    model: Option<String>,
    #[schema(inline)]
    inputs: OneOrMany<InputShape>,
    /// Cuts an input over the model's limit instead of refusing it.
    truncate: Option<bool>,
    /// The longest that the answer may take.
    #[schema(minimum = 1)]
    budget_ms: Option<u64>,
}

/// A text, or an object with a text.
pub type InputShape = PlainOr<String, InputObject>;

/// A text, or a pair, with the caller's own id, which is echoed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputObject {
    text: String,
    text_pair: Option<String>,
    id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetName {
    Predicted,
    All,
}

/// One of `label`, `index` and `contrast`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetObject {
    label: Option<String>,
    index: Option<usize>,
    /// The first class's output minus the second's; labels or indexes.
    #[schema(inline)]
    contrast: Option<[ClassShape; 2]>,
}

/// A label or an index.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ClassShape {
    Label(String),
    Index(usize),
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputName {
    Logit,
    Probability,
}

/// A method by name, or with options.
pub type MethodShape = PlainOr<String, MethodObject>;

/// A method's name beside its own options.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MethodObject {
    name: String,
    #[serde(flatten)]
    options: Map<String, Value>,
}

/// Layers and heads by number; negative ones count from the end.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionObject {
    /// `[-1]` by default.
    #[schema(inline)]
    layers: Option<NameOrList<AllName>>,
    /// `mean` by default.
    #[schema(inline)]
    heads: Option<NameOrList<HeadsName>>,
    #[schema(inline)]
    kind: Option<AttentionKind>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllName {
    All,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeadsName {
    All,
    Mean,
}

/// `weights`: what the softmax gave.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttentionKind {
    Weights,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GranularityName {
    Token,
    Word,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NormalizeName {
    None,
    L1,
    L2,
    Max,
}

impl ExplainRequest {
    /// Checks everything that can be checked before a text is read.
    pub fn into_question(self, explainer: &Explainer) -> Result<Question> {
        let inputs = inputs(self.inputs, explainer.limits.inputs)?;
        Ok(Question {
            model: model(explainer, self.model.as_deref())?,
            inputs,
            target: target(self.target)?,
            output: match self.output {
                Some(OutputName::Probability) => Output::Probability,
                Some(OutputName::Logit) | None => Output::Logit,
            },
            methods: methods(self.methods)?,
            attention: attention(self.attention),
            granularity: granularity(self.granularity),
            normalize: match self.normalize {
                Some(NormalizeName::None) | None => Normalize::None,
                Some(NormalizeName::L1) => Normalize::L1,
                Some(NormalizeName::L2) => Normalize::L2,
                Some(NormalizeName::Max) => Normalize::Max,
            },
            truncate: truncate(self.truncate),
            budget: budget(self.budget_ms)?,
        })
    }
}

impl PredictRequest {
    /// A question without methods.
    pub fn into_question(self, explainer: &Explainer) -> Result<Question> {
        let inputs = inputs(self.inputs, explainer.limits.inputs)?;
        Ok(Question {
            model: model(explainer, self.model.as_deref())?,
            inputs,
            target: Target::Predicted,
            output: Output::Logit,
            methods: Vec::new(),
            attention: None,
            granularity: Vec::new(),
            normalize: Normalize::None,
            truncate: truncate(self.truncate),
            budget: budget(self.budget_ms)?,
        })
    }
}

fn model(explainer: &Explainer, id: Option<&str>) -> Result<std::sync::Arc<crate::model::Model>> {
    explainer.pool.get(id).cloned().map_err(|error| error.at("/model"))
}

fn inputs(shape: OneOrMany<InputShape>, limit: usize) -> Result<Vec<Input>> {
    let list = match shape {
        OneOrMany::One(one) => return Ok(vec![input(one, "/inputs")]),
        OneOrMany::Many(list) => list,
    };
    if list.is_empty() {
        return Err(Error::new(Code::InputEmpty, "inputs is empty").at("/inputs"));
    }
    if list.len() > limit {
        let detail = format!("inputs has {} elements; at most {limit} are taken", list.len());
        return Err(Error::field("/inputs", detail));
    }
    let place = |(i, shape)| input(shape, &format!("/inputs/{i}"));
    Ok(list.into_iter().enumerate().map(place).collect())
}

fn input(shape: InputShape, pointer: &str) -> Input {
    match shape {
        PlainOr::Plain(text) => {
            Input { id: None, text, text_pair: None, pointer: pointer.to_owned() }
        }
        PlainOr::Parts(object) => Input {
            id: object.id,
            text: object.text,
            text_pair: object.text_pair,
            pointer: format!("{pointer}/text"),
        },
    }
}

fn target(shape: Option<PlainOr<TargetName, TargetObject>>) -> Result<Target> {
    let object = match shape {
        None | Some(PlainOr::Plain(TargetName::Predicted)) => return Ok(Target::Predicted),
        Some(PlainOr::Plain(TargetName::All)) => return Ok(Target::All),
        Some(PlainOr::Parts(object)) => object,
    };
    match (object.label, object.index, object.contrast) {
        (Some(label), None, None) => Ok(Target::Class(Class::Label(label))),
        (None, Some(index), None) => Ok(Target::Class(Class::Index(index))),
        (None, None, Some([a, b])) => Ok(Target::Contrast(class(a), class(b))),
        _ => Err(Error::field("/target", "give exactly one of label, index and contrast")),
    }
}

fn class(shape: ClassShape) -> Class {
    match shape {
        ClassShape::Label(label) => Class::Label(label),
        ClassShape::Index(index) => Class::Index(index),
    }
}

type Configured = (&'static MethodEntry, Options);

fn methods(shapes: Option<Vec<MethodShape>>) -> Result<Vec<Configured>> {
    let default = || vec![PlainOr::Plain(DEFAULT_METHOD.to_owned())];
    let shapes = shapes.unwrap_or_else(default).into_iter().enumerate();
    shapes.map(|(i, shape)| method(shape).map_err(|e| e.within(&format!("/methods/{i}")))).collect()
}

fn method(shape: MethodShape) -> Result<Configured> {
    match shape {
        PlainOr::Plain(name) => {
            let entry = attribution::find(&name)?;
            Ok((entry, Options::read(entry.options, &Map::new())?))
        }
        PlainOr::Parts(object) => {
            let entry = attribution::find(&object.name).map_err(|error| error.at("/name"))?;
            Ok((entry, Options::read(entry.options, &object.options)?))
        }
    }
}

fn attention(shape: Option<PlainOr<bool, AttentionObject>>) -> Option<AttentionSelection> {
    let last = || Selection::List(vec![-1]);
    match shape {
        None => Some(AttentionSelection { layers: last(), heads: Heads::Mean }),
        Some(PlainOr::Plain(false)) => None,
        Some(PlainOr::Plain(true)) => {
            Some(AttentionSelection { layers: Selection::All, heads: Heads::Each(Selection::All) })
        }
        Some(PlainOr::Parts(object)) => Some(AttentionSelection {
            layers: match object.layers {
                None => last(),
                Some(NameOrList::Name(AllName::All)) => Selection::All,
                Some(NameOrList::List(list)) => Selection::List(list),
            },
            heads: match object.heads {
                None | Some(NameOrList::Name(HeadsName::Mean)) => Heads::Mean,
                Some(NameOrList::Name(HeadsName::All)) => Heads::Each(Selection::All),
                Some(NameOrList::List(list)) => Heads::Each(Selection::List(list)),
            },
        }),
    }
}

fn granularity(shape: Option<OneOrMany<GranularityName>>) -> Vec<Granularity> {
    let names = match shape {
        None => return vec![Granularity::Token, Granularity::Word],
        Some(OneOrMany::One(name)) => vec![name],
        Some(OneOrMany::Many(names)) => names,
    };
    let unit = |name| match name {
        GranularityName::Token => Granularity::Token,
        GranularityName::Word => Granularity::Word,
    };
    names.into_iter().map(unit).collect()
}

fn truncate(wished: Option<bool>) -> Truncate {
    match wished {
        Some(true) => Truncate::Yes,
        Some(false) | None => Truncate::No,
    }
}

fn budget(milliseconds: Option<u64>) -> Result<Option<Duration>> {
    match milliseconds {
        Some(0) => Err(Error::field("/budget_ms", "budget_ms must be 1 or more")),
        other => Ok(other.map(Duration::from_millis)),
    }
}
