//! Wires configuration, models, engine and routes together and runs them.

mod sizes;

use std::fmt::Display;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use sizes::Sizes;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::checkpoint::{Allowed, Source};
use crate::config::{ActivationName, Config, Limits, ModelEntry};
use crate::engine::{self, Engine, ModelPool, PassLimits, Wanted};
use crate::explainer::Explainer;
use crate::http::{self, Connections, Service, Tls, Workplace};
use crate::model::Budget;
use crate::telemetry;

/// Why the service could not start or go on; a line for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    fn of(error: impl ToString) -> Self {
        Self(error.to_string())
    }
}

/// An explainer that has no models yet.
pub fn explainer(config: &Config) -> Result<Explainer, StartError> {
    let sizes = Sizes::of(config);
    sizes.log();
    let limits = engine::Limits {
        pass: PassLimits {
            tokens: config.engine.batch_tokens,
            bytes: sizes.pass_bytes,
            workers: sizes.workers,
        },
        queued_work: sizes.queued_work,
        time: config.limits.request_time(),
    };
    let budget = sizes.model_bytes.map(Budget::new).unwrap_or_default();
    let placement = config.engine.backend.placement().map_err(StartError::of)?;
    let load_time = config.limits.load_time();
    let sources = config.sources.clone();
    let allowed = Allowed::by(move |source| sources.check(source));
    let pool = Arc::new(ModelPool::new(budget, placement, load_time).within(allowed));
    let engine = Engine::start(limits).map_err(StartError::of)?;
    Ok(Explainer::new(pool, engine, Arc::new(config.limits.clone())))
}

/// Loads the models of the configuration and runs each once. One that cannot be
/// loaded does not keep the others from serving; where none can, that is an
/// error.
pub async fn load(explainer: &Explainer, entries: &[ModelEntry]) -> Result<(), StartError> {
    let mut all = Vec::new();
    for entry in entries {
        all.push((entry.id.clone(), wanted(entry)?));
    }
    explainer.pool.load_first(all).await.map_err(|errors| {
        let details: Vec<String> = errors.into_iter().map(|error| error.detail).collect();
        StartError(details.join("\n"))
    })
}

fn wanted(entry: &ModelEntry) -> Result<Wanted, StartError> {
    let source: Source = entry.source.parse().map_err(StartError::of)?;
    Ok(Wanted::new(source, entry.activation.map(ActivationName::activation)))
}

/// Histograms keep each sample until they are read or this is done: without it,
/// memory would grow where nobody reads the metrics.
async fn keep_metrics_small(metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

/// What comes from outside while the service runs.
pub struct Signals<S> {
    /// Completes when it is to end.
    pub stop: S,
    /// A configuration whose models are to be served from now on.
    pub reload: mpsc::Receiver<Config>,
}

/// Connections of those who ask how the service does, on a listener of their own.
const PROBE_CONNECTIONS: usize = 16;

/// Serves on `listener` until it is to stop, goes on for the configured time with readiness
/// false, then gives answers in flight theirs. `announce` is called with its address once readiness is true.
pub async fn run<S: Future<Output = ()>>(
    mut config: Config,
    listener: TcpListener,
    announce: impl FnOnce(&str),
    mut signals: Signals<S>,
) -> Result<(), StartError> {
    config.server.listen = listener.local_addr().map_err(StartError::of)?;
    let metrics = telemetry::metrics().map_err(StartError::of)?;
    let tls = config.server.tls.clone().map(Tls::new).transpose().map_err(StartError::of)?;
    let workplace = Workplace::new().map_err(StartError::of)?;
    let service = Service::new(explainer(&config)?, workplace.handle(), metrics, &config);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", config.server.listen);
    let connections = Connections::new(listener, tls.clone(), &config.limits);
    let (stop, stopping) = oneshot::channel::<()>();
    let router = http::router(service.clone());
    let mut serving = tokio::spawn(connections.serve(router, async {
        // An error means that the sender is gone: stop as well.
        let _ = stopping.await;
    }));
    let probes = serve_probes(&service, &config).await?;
    let upkeep = Upkeep::start(&service, &config);
    let mut shutdown = pin!(signals.stop);
    tokio::select! {
        begun = begin(&service, &config.models) => {
            begun?;
            announce(&address);
            loop {
                tokio::select! {
                    () = &mut shutdown => break,
                    Some(new) = signals.reload.recv() => {
                        reload(&service, tls.as_ref(), &config.models, &new.models).await;
                        config.models = new.models;
                    }
                }
            }
        }
        // Told to stop while still loading.
        () = &mut shutdown => {}
    }
    info!("shutting down");
    service.retire();
    sleep(Duration::from_millis(config.server.lame_duck_ms)).await;
    drop(upkeep);
    service.drain();
    let _ = stop.send(());
    let drain = Duration::from_millis(config.server.drain_ms);
    let served = timeout(drain, &mut serving).await;
    drop(probes);
    match served {
        Ok(served) => served.map_err(StartError::of),
        Err(_) => {
            info!("answers still in flight are given up");
            Ok(())
        }
    }
}

/// Answers probes where the configuration has a listener for them, until this is dropped.
async fn serve_probes(
    service: &Service,
    config: &Config,
) -> Result<Option<AbortOnDropHandle<()>>, StartError> {
    let Some(address) = config.server.probe_listen else { return Ok(None) };
    let cannot = |error| StartError(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(StartError::of)?;
    info!(%address, "probes are answered");
    let limits = Limits { connections: PROBE_CONNECTIONS, ..config.limits.clone() };
    let probes = Connections::new(listener, None, &limits);
    let serving = probes.serve(http::probes(service.clone()), pending());
    Ok(Some(AbortOnDropHandle::new(tokio::spawn(serving))))
}

/// Loads the models and sees that they can answer.
async fn begin(service: &Service, models: &[ModelEntry]) -> Result<(), StartError> {
    load(&service.explainer, models).await?;
    service.ready().await.map_err(StartError::of)
}

/// Serves the models of a new configuration: loads those that are new or other than
/// before, unloads those that it has no more. Requests in flight keep theirs.
async fn reload(service: &Service, tls: Option<&Tls>, old: &[ModelEntry], new: &[ModelEntry]) {
    info!(models = new.len(), "the configuration was read again");
    if let Some(Err(error)) = tls.map(Tls::renew) {
        warn!(error, "the certificate cannot be read; the one before holds");
    }
    let pool = &service.explainer.pool;
    for entry in new {
        let begun = match wanted(entry) {
            Ok(wanted) => pool.load(&entry.id, wanted).await.map_err(StartError::of),
            Err(error) => Err(error),
        };
        audit("load", &entry.id, begun);
    }
    for gone in old.iter().filter(|entry| new.iter().all(|other| other.id != entry.id)) {
        // DELETE may have been quicker.
        audit("unload", &gone.id, pool.remove(&gone.id));
    }
    pool.arrange(&new.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>());
}

/// Says what a reload did to a model, as the lines of PUT and DELETE do.
fn audit<T>(action: &str, id: &str, done: Result<T, impl Display>) {
    const TARGET: &str = telemetry::AUDIT;
    match done {
        Ok(_) => {
            info!(target: TARGET, action, id, key = RELOAD, outcome = "ok", "model management")
        }
        Err(error) => {
            let outcome = "failed";
            warn!(target: TARGET, action, id, key = RELOAD, outcome, %error, "model management");
        }
    }
}

/// In place of a key's name; no key can be called so.
const RELOAD: &str = "*reload";

/// What goes on beside the answers, until this is dropped.
struct Upkeep([JoinHandle<()>; 2]);

impl Upkeep {
    fn start(service: &Service, config: &Config) -> Self {
        let pool = Arc::clone(&service.explainer.pool);
        let every = Duration::from_millis(config.engine.watch_ms);
        let watch = async move {
            if !every.is_zero() {
                pool.watch(every).await;
            }
        };
        let metrics = keep_metrics_small(service.metrics.clone());
        Self([tokio::spawn(watch), tokio::spawn(metrics)])
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}
