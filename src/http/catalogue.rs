//! What there is: models and methods.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::openapi::LookupProblems;
use super::problem::Failure;
use crate::attribution::options::AUTO;
use crate::attribution::{METHODS, MethodEntry, OptionKind, OptionSpec};
use crate::error::Result;
use crate::heads::Labels;
use crate::model::Model;
use crate::render::json::{self, ModelEcho};

/// The models in memory.
#[derive(Serialize, ToSchema)]
pub struct ModelList {
    /// The first one answers requests that name none.
    models: Vec<ModelInfo>,
}

/// One model.
#[derive(Serialize, ToSchema)]
pub struct ModelInfo {
    #[serde(flatten)]
    model: ModelEcho,
    /// In the order of the logits; none where the outputs are the pieces of the
    /// vocabulary or the dimensions of an embedding.
    labels: Vec<String>,
    /// Logits of one answer.
    outputs: usize,
    layers: usize,
    heads: usize,
    /// Of one input, special tokens included.
    max_tokens: usize,
    /// Names of the methods that it can be explained with.
    methods: Vec<&'static str>,
    #[schema(example = "ready")]
    state: &'static str,
}

impl ModelInfo {
    fn new(model: &Model) -> Self {
        Self {
            model: json::model_echo(model),
            labels: match model.labels() {
                Labels::Named(names) => names.clone(),
                Labels::Pieces(_) | Labels::Dimensions(_) => Vec::new(),
            },
            outputs: model.outputs(),
            layers: model.layers(),
            heads: model.heads(),
            max_tokens: model.text.max_tokens,
            methods: METHODS.iter().map(|entry| entry.name).collect(),
            state: "ready",
        }
    }
}

/// Every attribution method.
#[derive(Serialize, ToSchema)]
pub struct MethodList {
    methods: Vec<MethodInfo>,
}

/// One method.
#[derive(Serialize, ToSchema)]
pub struct MethodInfo {
    name: &'static str,
    summary: &'static str,
    /// Where it was published.
    paper: &'static str,
    /// Whether scores say for or against.
    signed: bool,
    /// Whether scores add up to the change from the baseline.
    complete: bool,
    /// What it costs for one input and target.
    #[schema(example = "n_steps gradient rows and 1 forward row")]
    rows: &'static str,
    options: Vec<OptionInfo>,
}

/// One option of a method.
#[derive(Serialize, ToSchema)]
pub struct OptionInfo {
    name: &'static str,
    /// What it takes, in words.
    #[schema(example = "an integer from 1 to 2000")]
    takes: String,
    /// The names that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<&'static [&'static str]>,
    default: json::OptionValue,
    help: &'static str,
}

impl MethodInfo {
    fn new(entry: &MethodEntry) -> Self {
        Self {
            name: entry.name,
            summary: entry.summary,
            paper: entry.paper,
            signed: entry.signed,
            complete: entry.complete,
            rows: entry.cost_note,
            options: entry.options.iter().map(OptionInfo::new).collect(),
        }
    }
}

impl OptionInfo {
    fn new(spec: &OptionSpec) -> Self {
        Self {
            name: spec.name,
            takes: spec.kind.expects(),
            choices: match spec.kind {
                OptionKind::Choice(names) | OptionKind::ChoiceOrText(names) => Some(names),
                OptionKind::IntegerOrAuto { .. } => Some(&[AUTO]),
                OptionKind::Integer { .. } | OptionKind::Number { .. } => None,
            },
            default: json::option(&spec.default.value()),
            help: spec.help,
        }
    }
}

/// The models in memory.
#[utoipa::path(
    get, path = "/models", tag = "catalogue",
    responses((status = 200, description = "The models", body = ModelList), LookupProblems),
)]
pub async fn models(State(service): State<Service>) -> Result<Json<ModelList>, Failure> {
    let models = service.explainer.pool.all()?.iter().map(|model| ModelInfo::new(model)).collect();
    Ok(Json(ModelList { models }))
}

/// One model.
#[utoipa::path(
    get, path = "/models/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "An id of GET /models")),
    responses((status = 200, description = "The model", body = ModelInfo), LookupProblems),
)]
pub async fn model(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Json<ModelInfo>, Failure> {
    Ok(Json(ModelInfo::new(service.explainer.pool.get(Some(&id))?)))
}

/// Every method with its options, defaults, paper and cost.
#[utoipa::path(
    get, path = "/methods", tag = "catalogue",
    responses((status = 200, description = "The methods", body = MethodList)),
)]
pub async fn methods() -> Json<MethodList> {
    Json(MethodList { methods: METHODS.iter().map(MethodInfo::new).collect() })
}
