//! What there is: models and methods.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::conditional::{IfNoneMatch, NotModified, Tagged};
use super::openapi::{ListProblems, LookupProblems};
use super::problem::{Failure, Problem};
use super::tokenizer::TokenizerInfo;
use crate::attribution::options::AUTO;
use crate::attribution::{METHODS, MethodEntry, OptionKind, OptionSpec};
use crate::engine::{Progress, Status};
use crate::error::Result;
use crate::evaluation::{self, MEASURES, MeasureEntry};
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
#[serde(untagged)]
pub enum ModelInfo {
    Serving(Box<ServingModel>),
    Waiting(WaitingModel),
}

/// A model that answers requests.
#[derive(Serialize, ToSchema)]
pub struct ServingModel {
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
    tokenizer: TokenizerInfo,
    /// Names of the methods that it can be explained with.
    methods: Vec<&'static str>,
    /// Of its weights. Models of one source share them.
    memory_bytes: usize,
    #[schema(inline)]
    state: Ready,
    /// How the files on disk are not what it was loaded from; PUT loads them as they
    /// are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<String>,
    /// What was asked for in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ModelProgress>,
}

/// The state of every model that answers requests.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Ready {
    Ready,
}

/// A model on its way in or out.
#[derive(Serialize, ToSchema)]
pub struct WaitingModel {
    id: String,
    #[serde(flatten)]
    progress: ModelProgress,
}

/// How far a model is that does not answer requests.
#[derive(Serialize, ToSchema)]
pub struct ModelProgress {
    #[schema(inline)]
    state: ProgressName,
    /// Why it failed; with the admin key, with the names of folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ProgressName {
    Loading,
    Failed,
    Unloading,
}

/// Who reads about models: whoever has the admin key also sees where they lie.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    Anyone,
    Admin,
}

impl Reader {
    fn of(service: &Service, headers: &HeaderMap) -> Self {
        if service.guard.is_admin(headers) { Self::Admin } else { Self::Anyone }
    }
}

impl ModelProgress {
    fn new(progress: Progress, reader: Reader) -> Self {
        match progress {
            Progress::Loading => Self { state: ProgressName::Loading, problem: None },
            Progress::Unloading => Self { state: ProgressName::Unloading, problem: None },
            Progress::Failed(failure) => {
                let error = match reader {
                    Reader::Anyone => failure.public(),
                    Reader::Admin => failure.error,
                };
                Self { state: ProgressName::Failed, problem: Some(Problem::new(error, None)) }
            }
        }
    }
}

impl ModelInfo {
    pub fn new(status: Status, reader: Reader) -> Self {
        let of = |progress| ModelProgress::new(progress, reader);
        match (status.model, status.progress) {
            (Some(model), next) => {
                let drift = status.drift.as_ref().map(ToString::to_string);
                let next = next.map(of);
                Self::Serving(Box::new(ServingModel { drift, next, ..ServingModel::new(&model) }))
            }
            (None, progress) => {
                let progress = of(progress.unwrap_or(Progress::Unloading));
                Self::Waiting(WaitingModel { id: status.id, progress })
            }
        }
    }
}

impl ServingModel {
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
            tokenizer: TokenizerInfo::new(&model.text.in_force),
            methods: METHODS.iter().map(|entry| entry.name).collect(),
            memory_bytes: model.memory_bytes(),
            state: Ready::Ready,
            drift: None,
            next: None,
        }
    }
}

/// Every attribution method, and every measure of one.
#[derive(Serialize, ToSchema)]
pub struct MethodList {
    methods: Vec<MethodInfo>,
    measures: Vec<MeasureInfo>,
}

/// One measure of how far to trust an explanation.
#[derive(Serialize, ToSchema)]
pub struct MeasureInfo {
    name: &'static str,
    summary: &'static str,
    /// Where it was published.
    paper: &'static str,
    /// Which way is better.
    better: &'static str,
}

impl MeasureInfo {
    fn new(entry: &MeasureEntry) -> Self {
        Self { name: entry.name, summary: entry.summary, paper: entry.paper, better: entry.better }
    }

    /// Every one, those of all methods together last.
    fn all() -> Vec<Self> {
        let random = Self {
            name: evaluation::RANDOM,
            summary: "Comprehensiveness and sufficiency of ten random rankings, on average, as a \
                      method called random: what a number has to beat.",
            paper: "DeYoung et al. 2020, arXiv:1911.03429",
            better: "methods should be better than it",
        };
        let agreement = Self {
            name: evaluation::AGREEMENT,
            summary: "Of each two methods of the request: shares of the top words, of their \
                      places and signs that are the same, and Spearman's rank correlation.",
            paper: "Krishna et al. 2022, arXiv:2202.01602",
            better: "higher, if both are faithful",
        };
        MEASURES.iter().map(Self::new).chain([random, agreement]).collect()
    }
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
    /// Whether it stops with what it has when `budget_ms`, or the service's own
    /// limit, is near, and says so; with its options' defaults.
    stops_in_time: bool,
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
        let defaults = entry.options(&serde_json::Map::new());
        Self {
            name: entry.name,
            summary: entry.summary,
            paper: entry.paper,
            signed: entry.signed,
            complete: entry.complete,
            stops_in_time: defaults.is_ok_and(|options| (entry.stops_in_time)(&options)),
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

/// The models that serve, and those on their way in or out.
///
/// Each with its labels, sizes, limits and revision, or with why it failed.
#[utoipa::path(
    get, path = "/models", tag = "catalogue", params(IfNoneMatch),
    responses((status = 200, description = "The models", body = ModelList), NotModified, ListProblems),
    security(("key" = []), ()),
)]
pub async fn models(State(service): State<Service>, headers: HeaderMap) -> Result<Tagged, Failure> {
    let reader = Reader::of(&service, &headers);
    let list = service.explainer.pool.list().into_iter();
    let models = list.map(|status| ModelInfo::new(status, reader)).collect();
    Ok(Tagged::json(&ModelList { models })?)
}

/// One model.
///
/// What GET /models says of it; after PUT, how far it is. Where it failed, the admin key
/// sees the whole reason, others not where its files lie.
#[utoipa::path(
    get, path = "/models/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "An id of GET /models")),
    responses((status = 200, description = "The model", body = ModelInfo), LookupProblems),
    security(("key" = []), ()),
)]
pub async fn model(
    State(service): State<Service>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ModelInfo>, Failure> {
    let status = service.explainer.pool.status(&id)?;
    Ok(Json(ModelInfo::new(status, Reader::of(&service, &headers))))
}

/// Every method with its options, defaults, paper and cost, and every measure.
///
/// What `methods` and `evaluate` of a request may name.
#[utoipa::path(
    get, path = "/methods", tag = "catalogue", params(IfNoneMatch),
    responses((status = 200, description = "The methods", body = MethodList), NotModified, ListProblems),
    security(("key" = []), ()),
)]
pub async fn methods() -> Result<Tagged, Failure> {
    let methods = METHODS.iter().map(MethodInfo::new).collect();
    Ok(Tagged::json(&MethodList { methods, measures: MeasureInfo::all() })?)
}
