//! The models and methods that are available.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::conditional::{IfNoneMatch, NotModified, Tagged};
use super::evidence_kinds::KindInfo;
use super::openapi::{ListProblems, LookupProblems};
use super::problem::{Failure, Problem};
use super::tokenizer::TokenizerInfo;
use crate::attribution::{METHODS, MethodEntry, OptionKind, OptionSpec, PairsOf};
use crate::engine::{Progress, Status};
use crate::error::Result;
use crate::evaluation::{self, MEASURES, MeasureEntry};
use crate::evidence::EVIDENCE;
use crate::heads::Labels;
use crate::model::Model;
use crate::render::json::{self, ModelEcho};

/// The models in memory.
#[derive(Serialize, ToSchema)]
pub struct ModelList {
    /// Requests without `model` use the first one.
    models: Vec<ModelInfo>,
}

/// One model.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ModelInfo {
    Serving(Box<ServingModel>),
    Waiting(WaitingModel),
}

/// A model that serves requests.
#[derive(Serialize, ToSchema)]
pub struct ServingModel {
    #[serde(flatten)]
    model: ModelEcho,
    /// In the order of the logits. Empty if the outputs are the tokens of the vocabulary or the
    /// dimensions of an embedding.
    labels: Vec<String>,
    /// Number of logits.
    outputs: usize,
    layers: usize,
    heads: usize,
    /// Maximum tokens of an input, including special tokens.
    max_tokens: usize,
    tokenizer: TokenizerInfo,
    /// Names of the methods that can explain it.
    methods: Vec<&'static str>,
    /// Size of its weights. Models with the same source share them.
    memory_bytes: usize,
    #[schema(inline)]
    state: Ready,
    /// How the files on disk differ from what was loaded. PUT with the same source loads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<String>,
    /// State of the model that will replace this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ModelProgress>,
}

/// The state of models that serve requests.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Ready {
    Ready,
}

/// A model that is being loaded or unloaded, or has failed.
#[derive(Serialize, ToSchema)]
pub struct WaitingModel {
    id: String,
    #[serde(flatten)]
    progress: ModelProgress,
}

/// State of a model that does not serve requests.
#[derive(Serialize, ToSchema)]
pub struct ModelProgress {
    #[schema(inline)]
    state: ProgressName,
    /// Why it failed. Folder names are shown only with the admin key.
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

/// Who reads information about models. Only admins may see file locations.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    Anyone,
    Admin,
}

impl Reader {
    pub fn of(service: &Service, headers: &HeaderMap) -> Self {
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
            methods: METHODS
                .iter()
                .filter(|entry| !model.is_remote() || entry.perturbs())
                .map(|entry| entry.name)
                .collect(),
            memory_bytes: model.memory_bytes(),
            state: Ready::Ready,
            drift: None,
            next: None,
        }
    }
}

/// All attribution methods, kinds of evidence and measures.
#[derive(Serialize, ToSchema)]
pub struct MethodList {
    methods: Vec<MethodInfo>,
    /// The kinds of evidence, each with the route that finds it.
    evidence: Vec<KindInfo>,
    measures: Vec<MeasureInfo>,
}

/// A measure of how far to trust an explanation.
#[derive(Serialize, ToSchema)]
pub struct MeasureInfo {
    name: &'static str,
    summary: &'static str,
    /// The publication.
    paper: &'static str,
    /// Which values are better.
    better: &'static str,
}

impl MeasureInfo {
    fn new(entry: &MeasureEntry) -> Self {
        Self { name: entry.name, summary: entry.summary, paper: entry.paper, better: entry.better }
    }

    /// All measures. Those that involve several methods come last.
    fn all() -> Vec<Self> {
        let random = Self {
            name: evaluation::RANDOM,
            summary: "Comprehensiveness and sufficiency of ten random rankings, and their \
                      plausibility where there is a rationale, on average, listed as a method \
                      called random: the values that methods should exceed.",
            paper: "DeYoung et al. 2020, arXiv:1911.03429",
            better: "methods should be better than it",
        };
        let agreement = Self {
            name: evaluation::AGREEMENT,
            summary: "For each pair of methods in the request: the fractions of the top words that \
                      agree, also in rank and in sign, and Spearman's rank correlation.",
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
    /// The publication.
    paper: &'static str,
    /// Whether the sign of a score tells support from opposition.
    signed: bool,
    /// Whether the scores, with those of pairs, add up to the output's difference from the baseline.
    complete: bool,
    /// The pairs that it scores too, as `interactions`: `none`, of `all_units`, or of a unit of one
    /// text with one of the other, `two_texts`.
    #[schema(example = "none")]
    interactions: &'static str,
    /// Whether it stops early, and reports that, if `budget_ms` or the service's time limit is
    /// near. Applies to the default options.
    stops_in_time: bool,
    /// Cost per input and target.
    #[schema(example = "n_steps gradient rows and 1 forward row")]
    rows: &'static str,
    options: Vec<OptionInfo>,
}

/// One option of a method.
#[derive(Serialize, ToSchema)]
pub struct OptionInfo {
    name: &'static str,
    /// Description of the allowed values.
    #[schema(example = "an integer from 1 to 2000")]
    takes: String,
    /// The allowed names.
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
            interactions: match entry.pairs {
                PairsOf::None => "none",
                PairsOf::AllUnits { .. } => "all_units",
                PairsOf::TwoTexts(_) => "two_texts",
            },
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
                OptionKind::IntegerOrName { names, .. } => Some(names),
                OptionKind::Integer { .. } | OptionKind::Number { .. } | OptionKind::Boolean => {
                    None
                }
            },
            default: json::option(&spec.default.value()),
            help: spec.help,
        }
    }
}

/// All models, including those that are being loaded or unloaded.
///
/// Each with its labels, sizes, limits and revision, or with the reason why it failed.
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
/// The same as in GET /models; after PUT, its progress. If it failed, the full reason is shown with
/// the admin key; others do not see file locations.
#[utoipa::path(
    get, path = "/models/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "An id from GET /models")),
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

/// All methods with their options, defaults, papers and costs, the kinds of evidence, and all
/// measures.
///
/// The allowed values of `methods` and `evaluate` in requests, and the options of the evidence
/// routes.
#[utoipa::path(
    get, path = "/methods", tag = "catalogue", params(IfNoneMatch),
    responses((status = 200, description = "The methods", body = MethodList), NotModified, ListProblems),
    security(("key" = []), ()),
)]
pub async fn methods() -> Result<Tagged, Failure> {
    let methods = METHODS.iter().map(MethodInfo::new).collect();
    let evidence = EVIDENCE.iter().map(|entry| KindInfo::new(entry)).collect();
    Ok(Tagged::json(&MethodList { methods, evidence, measures: MeasureInfo::all() })?)
}
