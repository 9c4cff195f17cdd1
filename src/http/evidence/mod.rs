//! Evidence routes: one module per kind, with its request schema; and evidence in POST /explain.

/// Defines the route of a kind of evidence, and the route that estimates its cost.
macro_rules! evidence_routes {
    (
        $(#[$doc:meta])*
        pub async fn $name:ident($request:ident) -> $body:ident;
        path = $path:tt;
        estimate = $estimate:tt, $operation:tt;
        title = $title:tt;
        results = $results:tt;
        example = $example:tt;
    ) => {
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, tag = "evidence", params(RequestTimeout),
            request_body(content = $request, example = json! $example),
            responses(
                (
                    status = 200, description = $results,
                    content(
                        (EvidenceResponse<$body, Problem> = "application/json"),
                        (String = "text/html"),
                    ),
                ),
                WorkProblems,
            ),
            security(("key" = []), ()),
        )]
        pub async fn $name(call: Call<$request>) -> Result<Response, Failure> {
            call.respond($title).await
        }

        /// Estimate the maximum cost of a request for evidence, without running the model.
        ///
        /// Takes the body of the route that the path names after `/estimate`. Returns the tokens,
        /// the maximum rows and the expected milliseconds.
        #[utoipa::path(
            post, path = $estimate, operation_id = $operation, tag = "evidence",
            params(RequestTimeout),
            request_body(content = $request, example = json! $example),
            responses((status = 200, description = "The cost", body = EstimateResponse), WorkProblems),
            security(("key" = []), ()),
        )]
        pub async fn estimate(call: Call<$request>) -> Result<Json<EstimateResponse>, Failure> {
            call.estimate().await
        }
    };
}

pub mod beside;
pub mod counterfactuals;
pub mod examples;
pub mod probe;
pub mod rules;

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accept::{self, Format};
use super::body::{JsonBody, MemoryPermit};
use super::cache::{Key, cached};
use super::caller::Caller;
use super::estimate::EstimateResponse;
use super::inputs::{InputShape, inputs};
use super::problem::Failure;
use super::shapes::OneOrMany;
use super::timeout::timeout;
use super::{Service, extract, question, respond};
use crate::error::{Error, Result};
use crate::evidence::{self, Kind, Query};
use crate::explainer::Explainer;
use crate::explanation::Question;
use crate::model::Model;
use crate::render::evidence::Show;

/// A request body of an evidence route.
pub trait IntoQuery: Serialize + Send + 'static {
    type Kind: Kind<Found: Show>;

    fn into_query(self, explainer: &Explainer) -> Result<Query<Self::Kind>>;
}

/// The options of one kind, on its own route and in POST /explain.
pub trait IntoKind {
    type Kind: Kind;

    /// Validates the options. Pointers in errors are relative to them, except `/model`.
    fn into_kind(self, explainer: &Explainer, model: &Model) -> Result<Self::Kind>;
}

/// The fields that all evidence requests share. The bodies repeat them, because serde cannot reject
/// unknown fields of a structure with flattened ones.
pub struct Common {
    pub model: Option<String>,
    pub inputs: OneOrMany<InputShape>,
    pub truncate: Option<bool>,
    pub seed: Option<u64>,
    pub budget_ms: Option<u64>,
}

impl Common {
    /// Resolves the model and parses the inputs.
    pub fn into_question(self, explainer: &Explainer) -> Result<Question> {
        let inputs = inputs(self.inputs, None, &explainer.limits)?;
        let model = question::model(explainer, self.model.as_deref(), &inputs)?;
        Ok(Question {
            truncate: question::truncate(self.truncate),
            seed: self.seed.unwrap_or_default(),
            budget: question::budget(self.budget_ms)?,
            ..Question::prediction(model, inputs)
        })
    }
}

/// A reference to a loaded masked language model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FillObject {
    /// An id of GET /models.
    pub model: String,
}

impl FillObject {
    /// Returns the referenced model.
    fn filler(&self, explainer: &Explainer) -> Result<Arc<Model>> {
        explainer.pool.get(Some(&self.model)).map_err(|error| error.at("/fill/model"))
    }
}

/// A request to an evidence route.
pub struct Call<R> {
    service: Service,
    caller: Caller,
    headers: HeaderMap,
    request: R,
    permit: MemoryPermit,
}

impl<R: DeserializeOwned + Send + 'static> FromRequest<Service> for Call<R> {
    type Rejection = Failure;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Failure> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Error::internal("a request without a caller"))?;
        let headers = request.headers().clone();
        let JsonBody(request, permit) = JsonBody::from_request(request, service).await?;
        Ok(Self { service: service.clone(), caller, headers, request, permit })
    }
}

impl<R: IntoQuery> Call<R> {
    /// Responds with JSON or an HTML page with the title `title`, by the Accept header.
    async fn respond(self, title: &'static str) -> Result<Response, Failure> {
        let Self { service, caller, headers, request, permit } = self;
        let format = accept::choose(&headers, &[Format::Json, Format::Page])?;
        let work = service.work.clone();
        work.run(async move {
            let _permit = permit;
            let (query, key) = query(&service, &caller, &headers, request)?;
            let route = query.kind.entry().route;
            let key = key.map(|key| key.for_format(route, format.media_type()));
            let compute = respond::evidence(&service, format, query, title);
            cached(service.cache.as_ref(), key, compute).await
        })
        .await
    }

    /// Responds with an estimate of the cost.
    async fn estimate(self) -> Result<Json<EstimateResponse>, Failure> {
        let Self { service, caller, headers, request, permit } = self;
        accept::choose(&headers, &[Format::Json])?;
        let work = service.work.clone();
        work.run(async move {
            let _permit = permit;
            let (query, _) = query(&service, &caller, &headers, request)?;
            let model = query.question.model.id.clone();
            let estimate = evidence::estimate(&service.explainer, query).await?;
            let cost_limit = service.explainer.engine.admission.capacity();
            Ok(Json(EstimateResponse::new(model, estimate, cost_limit)))
        })
        .await
    }
}

/// Returns the query of a request for evidence, and its cache key if caching is enabled.
fn query<R: IntoQuery>(
    service: &Service,
    caller: &Caller,
    headers: &HeaderMap,
    request: R,
) -> Result<(Query<R::Kind>, Option<Key>)> {
    let (timeout, written) = (timeout(headers)?, extract::canonical(service, &request)?);
    let mut query = request.into_query(&service.explainer)?;
    extract::belongs_to(&mut query.question, caller, timeout);
    // A remote model may change without notice.
    let written = written.filter(|_| !query.question.model.is_remote());
    let key = written.map(|written| {
        let limit = service.explainer.time_limit(&query.question);
        let key = Key::of(caller, &query.question, limit, &written);
        key.depending_on(query.kind.depends_on())
    });
    Ok((query, key))
}
