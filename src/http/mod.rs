//! The HTTP surface: the only floor that knows axum and status codes.

mod accept;
mod accounting;
mod admin;
mod ask;
mod body;
mod cache;
mod catalogue;
mod compare;
mod conditional;
mod connections;
mod estimate;
mod explain;
mod formats;
mod gate;
mod headers;
mod health;
mod hosts;
mod inputs;
mod keys;
mod malformed;
mod manage;
mod measures;
pub mod openapi;
mod options;
mod outer;
mod pieces;
mod plain;
pub mod problem;
mod problem_guide;
mod problem_pages;
mod question;
mod quota;
mod request;
mod schemas;
mod shapes;
mod stream;
mod task_options;
mod tls;
mod tokenizer;
mod trace;
mod unread;
mod unsent;
mod watched;
mod work;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use admin::Guard;
use body::Bodies;
use cache::ResultCache;
pub use connections::Connections;
use hosts::Hosts;
use keys::KeyRing;
use options::Allowed;
use quota::Quotas;
pub use tls::Tls;
use unsent::Unsent;
pub use work::{Work, Workplace};

use crate::config::{Config, Limits, Sources};
use crate::error::{Code, Error, Result};
use crate::explainer::Explainer;
use crate::explanation::Question;
use crate::telemetry;

/// What every handler shares.
#[derive(Clone)]
pub struct Service {
    pub explainer: Arc<Explainer>,
    /// Where requests are worked on.
    work: Work,
    pub metrics: PrometheusHandle,
    limits: Arc<Limits>,
    bodies: Bodies,
    unsent: Unsent,
    cache: Option<ResultCache>,
    /// Where models may be loaded from.
    sources: Arc<Sources>,
    quotas: Quotas,
    guard: Guard,
    hosts: Arc<Hosts>,
    keys: Option<KeyRing>,
    cors_origins: Arc<[String]>,
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
        Self {
            work,
            limits: Arc::clone(&explainer.limits),
            bodies: Bodies::new(config.limits.request_mebibytes_total),
            explainer: Arc::new(explainer),
            metrics,
            unsent: Unsent::new(config.limits.response_mebibytes_total),
            cache: ResultCache::new(config.cache.mebibytes),
            sources: Arc::new(config.sources.clone()),
            quotas: Quotas::new(&config.limits),
            guard: Guard::new(&config.server),
            hosts: Arc::new(Hosts::new(&config.server)),
            keys: KeyRing::new(&config.server),
            cors_origins: config.server.cors_origins.clone().into(),
            retiring: CancellationToken::new(),
            draining: CancellationToken::new(),
        }
    }

    /// From now on readiness is false. New work is still taken, from those who have not
    /// seen that.
    pub fn retire(&self) {
        self.retiring.cancel();
    }

    /// From now on new work is refused, and readiness is false.
    pub fn drain(&self) {
        self.retire();
        self.draining.cancel();
    }

    /// Whether new work is taken.
    pub fn open(&self) -> Result<()> {
        unless(&self.draining)
    }

    /// Whether it will go on to be.
    pub fn stays(&self) -> Result<()> {
        unless(&self.retiring)
    }

    /// Whether requests can be answered: there is a model, and passes work.
    pub async fn ready(&self) -> Result<()> {
        self.stays()?;
        let explainer = &self.explainer;
        explainer.pool.ready()?;
        match explainer.pool.models().first() {
            Some(model) => explainer.engine.works(model).await,
            None => Ok(()),
        }
    }
}

fn unless(ending: &CancellationToken) -> Result<()> {
    match ending.is_cancelled() {
        true => Err(Error::new(Code::Draining, "the service is shutting down")),
        false => Ok(()),
    }
}

/// The question that a body of POST /explain asks.
pub fn question(explainer: &Explainer, body: &[u8]) -> Result<Question> {
    body::parse::<request::ExplainRequest>(body)?.into_question(explainer)
}

/// Every route, with its description.
fn documented() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(openapi::header())
        .routes(routes!(explain::explain))
        .routes(routes!(compare::compare))
        .routes(routes!(explain::predict))
        .routes(routes!(estimate::estimate))
        .routes(routes!(catalogue::models))
        .routes(routes!(catalogue::model, manage::load, manage::unload))
        .routes(routes!(catalogue::methods))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(openapi::openapi_json))
        .routes(routes!(problem_pages::index))
        .routes(routes!(problem_pages::page))
}

/// The whole service.
pub fn router(service: Service) -> Router {
    let (router, description) = documented().split_for_parts();
    cache::describe();
    telemetry::describe_routes(description.paths.paths.keys().map(String::as_str));
    let router = with_fallbacks(router)
        .layer(middleware::from_fn_with_state(service.clone(), gate::gate))
        .with_state(service.clone());
    outer::wrap(router, service, Allowed::of(&description.paths))
}

/// How the service does, for a listener of its own: no more than `gate::PROBES`.
pub fn probes(service: Service) -> Router {
    let (router, description) = OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .split_for_parts();
    let router = with_fallbacks(router).with_state(service.clone());
    outer::wrap(router, service, Allowed::of(&description.paths))
}

fn with_fallbacks(router: Router<Service>) -> Router<Service> {
    router
        .fallback(async || StatusCode::NOT_FOUND)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
}
