//! GET /corpora; PUT and DELETE /corpora/{id}: manage corpora at run time.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{AllOfBuilder, ArrayBuilder};

use super::Service;
use super::admin::Admin;
use super::body::JsonBody;
use super::catalogue::Reader;
use super::openapi::{CorpusProblems, ListProblems, RemoveProblems};
use super::problem::Failure;
use super::schemas::{TextShape, exactly_one, name, named, optional_name, shape, string};
use super::shapes::Name;
use crate::choice::Choice;
use crate::config;
use crate::corpus::{self, Corpus, Sample, Similarity, states};
use crate::engine::corpora::{CorpusStatus, IndexStatus, Origin, Progress};
use crate::engine::{Corpora, CorpusSpec};
use crate::error::{Error, Result};
use crate::explainer::Explainer;
use crate::model::Model;
use crate::rows::StatePooling;

/// All corpora.
#[derive(Serialize, ToSchema)]
pub struct CorpusList {
    /// The first corpus of a model is its default. Built-in corpora are last.
    corpora: Vec<CorpusInfo>,
}

/// A corpus and the state of its indexes.
#[derive(Serialize, ToSchema)]
pub struct CorpusInfo {
    id: String,
    /// The model that embeds the samples.
    model: String,
    #[schema(inline)]
    origin: OriginName,
    /// Only with the admin key.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Layer whose hidden states are compared: 0 is the embedding block, -1 the last layer.
    layer: i64,
    /// How the states of a text's tokens become one.
    #[schema(schema_with = name::<StatePooling>)]
    pooling: Name<StatePooling>,
    /// The indexes requested so far, one per similarity.
    indexes: Vec<IndexInfo>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OriginName {
    Builtin,
    File,
    Sent,
}

/// The embedded samples for one similarity.
#[derive(Serialize, ToSchema)]
struct IndexInfo {
    similarity: &'static str,
    #[schema(inline)]
    state: StateName,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    /// Progress while embedding, from 0 to 1. If the state is `ready`, the corpus's file has
    /// changed and is being embedded again.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<f32>,
    /// The error if it failed; only with the admin key.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Embedding,
    Ready,
    Failed,
}

impl IndexInfo {
    fn new(status: &IndexStatus, reader: Reader) -> Self {
        let similarity = status.similarity.name();
        let info = |state| Self { similarity, state, samples: None, done: None, reason: None };
        match &status.progress {
            progress @ Progress::Building { .. } => {
                Self { done: done(progress), ..info(StateName::Embedding) }
            }
            Progress::Ready(index) => Self {
                samples: Some(index.len()),
                done: status.next.as_ref().and_then(done),
                ..info(StateName::Ready)
            },
            Progress::Failed(error) => {
                let reason = match reader {
                    Reader::Anyone => None,
                    Reader::Admin => Some(error.to_string()),
                };
                Self { reason, ..info(StateName::Failed) }
            }
        }
    }
}

/// Returns the share of the steps that are complete, while embedding.
fn done(progress: &Progress) -> Option<f32> {
    match progress {
        Progress::Building { done, of } => Some(*done as f32 / (*of).max(1) as f32),
        Progress::Ready(_) | Progress::Failed(_) => None,
    }
}

impl CorpusInfo {
    fn new(status: &CorpusStatus, reader: Reader) -> Self {
        let CorpusSpec { id, origin, model, layer, pooling, .. } = &*status.spec;
        let path = match (origin, reader) {
            (Origin::File(path), Reader::Admin) => Some(path.display().to_string()),
            _ => None,
        };
        let index = |index: &IndexStatus| IndexInfo::new(index, reader);
        Self {
            id: id.clone(),
            model: model.clone(),
            origin: match origin {
                Origin::BuiltIn(_) => OriginName::Builtin,
                Origin::File(_) => OriginName::File,
                Origin::Sent(_) => OriginName::Sent,
            },
            path,
            layer: *layer,
            pooling: Name(*pooling),
            indexes: status.indexes.iter().map(index).collect(),
        }
    }

    fn of(corpora: &Corpora, id: &str) -> Result<Self> {
        let found = corpora.list().into_iter().find(|status| status.spec.id == id);
        let removed = || Error::internal("the corpus was removed concurrently");
        found.map(|status| Self::new(&status, Reader::Admin)).ok_or_else(removed)
    }
}

/// List the corpora.
///
/// A corpus has the labelled texts that POST /examples compares inputs with.
#[utoipa::path(
    get, path = "/corpora", tag = "catalogue",
    responses((status = 200, description = "All corpora", body = CorpusList), ListProblems),
    security(("key" = []), ()),
)]
pub async fn corpora(State(service): State<Service>, headers: HeaderMap) -> Json<CorpusList> {
    let reader = Reader::of(&service, &headers);
    let corpora = service.explainer.corpora.list();
    let corpora = corpora.iter().map(|status| CorpusInfo::new(status, reader)).collect();
    Json(CorpusList { corpora })
}

/// A corpus to add: a file on the server, or inline samples.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorpusRequest {
    /// The model that embeds the samples; the first configured model by default.
    model: Option<String>,
    /// Path of a .jsonl, .tsv, .csv or .parquet file on the server, within one of the folders of
    /// sources.roots if that is configured.
    path: Option<String>,
    /// Instead of `path`: inline samples, kept in memory until the service stops.
    #[schema(min_items = 1)]
    samples: Option<Vec<SampleShape>>,
    /// Layer whose hidden states are compared: 0 is the embedding block. Negative
    /// ones count from the end; -1 by default.
    layer: Option<i64>,
    /// How the states of a text's tokens become one: `mean` (default) of all, or the `first` one.
    #[schema(schema_with = optional_name::<StatePooling>, required = false)]
    pooling: Option<Name<StatePooling>>,
}

shape! {
    /// A corpus in one of two forms.
    CorpusShape [CorpusRequest]
    AllOfBuilder::new()
        .description(Some("A corpus with either the path of a file or its samples."))
        .item(named::<CorpusRequest>())
        .item(exactly_one([
            ("path", string()),
            ("samples", ArrayBuilder::new().min_items(Some(1)).into()),
        ]))
}

/// A labelled text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleShape {
    /// By default the 0-based number of the sample.
    id: Option<String>,
    #[schema(value_type = TextShape)]
    text: String,
    /// The name or the index of one of the model's labels.
    label: String,
}

/// Add or replace a corpus.
///
/// Its samples are embedded in the background; GET /corpora reports the progress.
#[utoipa::path(
    put, path = "/corpora/{id}", tag = "catalogue",
    params((
        "id" = String, Path,
        description = "1 to 64 of the characters A-Z a-z 0-9 . _ -, not starting with a dot; \
                       not the id of a built-in corpus",
        pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
    )),
    request_body(content = CorpusShape, example = json!({"samples": [
        {"text": "so good", "label": "POSITIVE"}, {"text": "dull", "label": "NEGATIVE"},
    ]})),
    responses(
        (status = 202, description = "The corpus is being embedded", body = CorpusInfo),
        CorpusProblems,
    ),
    security(("admin_key" = [])),
)]
pub async fn add(
    _: Admin,
    State(service): State<Service>,
    Path(id): Path<String>,
    JsonBody(request, _permit): JsonBody<CorpusRequest>,
) -> Result<(StatusCode, Json<CorpusInfo>), Failure> {
    let work = service.work.clone();
    work.run(async move {
        config::check_corpus_id(&id)
            .map_err(|reason| Error::field("", format!("the id {reason}")))?;
        let explainer = &service.explainer;
        let model = explainer.pool.get(request.model.as_deref());
        let model = model.map_err(|error| error.at("/model"))?;
        states::check(&model)?;
        let layer = request.layer.unwrap_or(-1);
        states::layer(&model, layer).map_err(|reason| Error::field("/layer", reason))?;
        let origin = match (request.path, request.samples) {
            (Some(path), None) => file(&service, path.into())?,
            (None, Some(samples)) => sent(explainer, &model, samples)?,
            (Some(_), Some(_)) | (None, None) => {
                return Err(Error::field("", "give exactly one of path and samples").into());
            }
        };
        let spec = CorpusSpec {
            id: id.clone(),
            origin,
            model: model.id.clone(),
            layer,
            pooling: request.pooling.map_or(StatePooling::Mean, Name::value),
            store: None,
        };
        explainer.corpora.put(spec)?;
        let spec = explainer.corpora.get(Some(&id), &model)?;
        explainer.corpora.begin(&spec, &model, Similarity::Cosine)?;
        Ok((StatusCode::ACCEPTED, Json(CorpusInfo::of(&explainer.corpora, &id)?)))
    })
    .await
}

/// Checks that a file may be read and has a known format.
fn file(service: &Service, path: PathBuf) -> Result<Origin> {
    let path_error = |reason: String| Error::field("/path", reason);
    service.sources.check_file(&path).map_err(path_error)?;
    corpus::check_name(&path).map_err(|error| path_error(error.to_string()))?;
    match path.is_file() {
        true => Ok(Origin::File(path)),
        false => Err(path_error(format!("{} is not a file", path.display()))),
    }
}

/// Checks the samples of a request: each needs a text and a label of the model.
fn sent(explainer: &Explainer, model: &Model, samples: Vec<SampleShape>) -> Result<Origin> {
    let most = explainer.limits.corpus_rows;
    if samples.is_empty() || samples.len() > most {
        let detail = format!("samples has {} elements; it must have 1 to {most}", samples.len());
        return Err(Error::field("/samples", detail));
    }
    let sample = |(index, sample): (usize, SampleShape)| {
        let field_error =
            |field: &str, reason: String| Error::field(format!("/samples/{index}/{field}"), reason);
        states::label(model, &sample.label).map_err(|reason| field_error("label", reason))?;
        if sample.text.trim().is_empty() {
            return Err(field_error("text", "the text is empty".to_owned()));
        }
        let id = sample.id.unwrap_or_else(|| index.to_string());
        Ok(Sample { id, text: sample.text, text_pair: None, label: sample.label })
    };
    let samples = samples.into_iter().enumerate().map(sample).collect::<Result<_>>()?;
    Ok(Origin::Sent(Arc::new(Corpus::of_samples(samples))))
}

/// Remove a corpus.
///
/// Requests in flight still use it. Files are kept.
#[utoipa::path(
    delete, path = "/corpora/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "An id of GET /corpora")),
    responses((status = 204, description = "The corpus was removed"), RemoveProblems),
    security(("admin_key" = [])),
)]
pub async fn remove(
    _: Admin,
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    service.explainer.corpora.remove(&id)?;
    Ok(StatusCode::NO_CONTENT)
}
