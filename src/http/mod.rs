//! The HTTP layer: the only module that knows axum and status codes.
//!
//! The reasons for the design: docs/concepts/http.md.

mod accept;
mod accounting;
mod admin;
mod auth;
mod body;
mod cache;
mod caller;
mod catalogue;
mod compare;
mod concepts;
mod conditional;
mod connections;
mod corpora;
mod estimate;
pub mod evidence;
mod evidence_kinds;
mod explain;
mod extract;
mod headers;
mod health;
mod hosts;
mod inputs;
mod keys;
mod kserve;
mod malformed;
mod manage;
mod measures;
mod methods;
mod middleware;
mod observed_body;
pub mod openapi;
mod options;
mod pieces;
mod plain;
pub mod problem;
mod problem_guide;
mod problem_pages;
mod question;
mod quota;
mod request;
mod request_id;
mod requests;
mod respond;
mod route;
mod schemas;
mod shapes;
mod stream;
mod target;
mod task_options;
mod timeout;
mod tls;
mod tokenizer;
mod torchserve;
mod trace;
mod unread;
mod unsent;
mod watched;
mod web;
mod work;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use evidence::IntoQuery;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use admin::Guard;
use body::BodyMemory;
use cache::ResultCache;
pub use connections::Connections;
use hosts::Hosts;
use keys::KeyRing;
use options::Allowed;
use question::IntoQuestion;
use quota::Quotas;
pub use tls::Tls;
use unsent::Unsent;
pub use work::{Work, WorkRuntime};

use crate::config::{Config, Limits, Sources};
use crate::error::{Code, Error, Result};
use crate::evidence::Query;
use crate::explainer::Explainer;
use crate::explanation::Question;
use crate::telemetry;
use crate::text::Input;

/// A handle to the state that all handlers share.
#[derive(Clone)]
pub struct Service(Arc<ServiceState>);

impl Deref for Service {
    type Target = ServiceState;

    fn deref(&self) -> &ServiceState {
        &self.0
    }
}

pub struct ServiceState {
    pub explainer: Arc<Explainer>,
    /// Threads that process requests.
    work: Work,
    pub metrics: PrometheusHandle,
    limits: Arc<Limits>,
    body_memory: BodyMemory,
    unsent: Unsent,
    cache: Option<ResultCache>,
    /// Allowed sources of models.
    sources: Sources,
    quotas: Quotas,
    guard: Guard,
    hosts: Hosts,
    keys: Option<KeyRing>,
    cors_origins: Arc<[String]>,
    /// Whether the playground is served.
    playground: bool,
    retiring: CancellationToken,
    draining: CancellationToken,
}

impl Service {
    pub fn new(
        explainer: Explainer,
        work: Work,
        metrics: PrometheusHandle,
        config: &Config,
    ) -> Self {
        Self(Arc::new(ServiceState {
            work,
            limits: Arc::clone(&explainer.limits),
            body_memory: BodyMemory::new(config.limits.request_mebibytes_total),
            explainer: Arc::new(explainer),
            metrics,
            unsent: Unsent::new(config.limits.response_mebibytes_total),
            cache: ResultCache::new(config.cache.mebibytes),
            sources: config.sources.clone(),
            quotas: Quotas::new(&config.limits),
            guard: Guard::new(&config.server),
            hosts: Hosts::new(&config.server),
            keys: KeyRing::new(&config.server),
            cors_origins: config.server.cors_origins.clone().into(),
            playground: config.server.playground,
            retiring: CancellationToken::new(),
            draining: CancellationToken::new(),
        }))
    }

    /// Makes readiness false. New work is still accepted from clients that have not noticed yet.
    pub fn retire(&self) {
        self.retiring.cancel();
    }

    /// Rejects new work from now on, and makes readiness false.
    pub fn drain(&self) {
        self.retire();
        self.draining.cancel();
    }

    /// Fails if the service no longer accepts new work.
    pub fn check_open(&self) -> Result<()> {
        check_not_cancelled(&self.draining)
    }

    /// Fails if the service is about to shut down.
    pub fn check_not_retiring(&self) -> Result<()> {
        check_not_cancelled(&self.retiring)
    }

    /// Checks whether requests can be answered: a model is served, and passes work.
    pub async fn ready(&self) -> Result<()> {
        self.check_not_retiring()?;
        let explainer = &self.explainer;
        explainer.pool.ready()?;
        // Passes of a remote model are not the engine's.
        match explainer.pool.models().iter().find(|model| !model.is_remote()) {
            Some(model) => explainer.engine.works(model).await,
            None => Ok(()),
        }
    }
}

fn check_not_cancelled(token: &CancellationToken) -> Result<()> {
    match token.is_cancelled() {
        true => Err(Error::new(Code::Draining, "the service is shutting down")),
        false => Ok(()),
    }
}

/// Parses the body of POST /explain into a question.
pub fn question(explainer: &Explainer, body: &[u8]) -> Result<Question> {
    body::parse::<request::ExplainRequest>(body)?.into_question(explainer)
}

/// Parses an object of the field `inputs`. Pointers of errors are relative to it.
pub fn input(limits: &Limits, object: &[u8]) -> Result<Input> {
    inputs::single(body::parse(object)?, limits)
}

/// Parses the body of a route of evidence.
pub fn evidence_query<R: IntoQuery + DeserializeOwned>(
    explainer: &Explainer,
    body: &[u8],
) -> Result<Query<R::Kind>> {
    body::parse::<R>(body)?.into_query(explainer)
}

/// All routes with their OpenAPI descriptions.
fn documented() -> OpenApiRouter<Service> {
    let mut description = openapi::header();
    description.merge(kserve::v1::Verbs::openapi());
    OpenApiRouter::with_openapi(description)
        .routes(routes!(explain::explain))
        .routes(routes!(compare::compare))
        .routes(routes!(explain::predict))
        .routes(routes!(explain::estimate))
        .routes(routes!(evidence::rules::rules))
        .routes(routes!(evidence::rules::estimate))
        .routes(routes!(evidence::counterfactuals::counterfactuals))
        .routes(routes!(evidence::counterfactuals::estimate))
        .routes(routes!(evidence::probe::probe))
        .routes(routes!(evidence::probe::estimate))
        .routes(routes!(evidence::examples::examples))
        .routes(routes!(evidence::examples::estimate))
        .routes(routes!(catalogue::models))
        .routes(routes!(catalogue::model, manage::load, manage::unload))
        .routes(routes!(corpora::corpora))
        .routes(routes!(corpora::add, corpora::remove))
        .routes(routes!(concepts::concepts, concepts::learn))
        .routes(routes!(concepts::forget))
        .routes(routes!(catalogue::methods))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(torchserve::explanations))
        .routes(routes!(torchserve::predictions))
        .routes(routes!(torchserve::ping))
        .routes(routes!(kserve::v1::models))
        .routes(routes!(kserve::v1::ready))
        // Described above, with the verbs that follow the id.
        .route("/v1/models/{id}", post(kserve::v1::act))
        .routes(routes!(kserve::v2::metadata::server))
        .routes(routes!(kserve::v2::metadata::live))
        .routes(routes!(kserve::v2::metadata::ready))
        .routes(routes!(kserve::v2::metadata::describe))
        .routes(routes!(kserve::v2::metadata::describe_version))
        .routes(routes!(kserve::v2::metadata::model_ready))
        .routes(routes!(kserve::v2::metadata::version_ready))
        .routes(routes!(kserve::v2::infer))
        .routes(routes!(kserve::v2::infer_version))
        .routes(routes!(openapi::openapi_json))
        .routes(routes!(problem_pages::index))
        .routes(routes!(problem_pages::page))
        .routes(routes!(web::playground))
        .routes(routes!(web::docs))
        .routes(routes!(web::file))
}

/// The router of the whole service.
pub fn router(service: Service) -> Router {
    let (router, description) = documented().split_for_parts();
    cache::describe();
    telemetry::describe_routes(description.paths.paths.keys().map(String::as_str));
    let router = with_fallbacks(kserve::grpc::routes(router))
        .layer(from_fn_with_state(service.clone(), auth::gate))
        .with_state(service.clone());
    middleware::wrap(router, service, Allowed::of(&description.paths))
}

/// The router of the probe listener, with the routes of `auth::PROBES` only.
pub fn probes(service: Service) -> Router {
    let (router, description) = OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .split_for_parts();
    let router = with_fallbacks(router).with_state(service.clone());
    middleware::wrap(router, service, Allowed::of(&description.paths))
}

fn with_fallbacks(router: Router<Service>) -> Router<Service> {
    router
        .fallback(async || StatusCode::NOT_FOUND)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
}
