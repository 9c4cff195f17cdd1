//! Wires configuration, models, engine and routes together and runs them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use crate::checkpoint::Source;
use crate::config::{Config, ModelEntry};
use crate::engine::{self, Engine, ModelPool, PassLimits};
use crate::explainer::{Explainer, Limits};
use crate::explanation::Question;
use crate::http::{self, Service};
use crate::model::{Model, Placement};
use crate::script::Script;
use crate::telemetry;
use crate::text::Input;

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
    let limits = engine::Limits {
        pass: PassLimits {
            tokens: config.engine.batch_tokens,
            bytes: config.engine.pass_mebibytes << 20,
            workers: threads(config),
        },
        queued_tokens: config.engine.queued_tokens,
        time: config.limits.request_time(),
    };
    Ok(Explainer {
        pool: Arc::new(ModelPool::default()),
        engine: Engine::start(limits).map_err(StartError::of)?,
        limits: Limits {
            inputs: config.limits.inputs,
            attention_values: config.limits.attention_values,
            time: config.limits.request_time(),
        },
    })
}

/// Threads that passes run on. The count heeds affinity and the container's
/// quota.
fn threads(config: &Config) -> usize {
    match config.engine.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// Loads every model of the configuration, runs each once, and makes them
/// available.
pub async fn load(explainer: &Explainer, config: &Config) -> Result<(), StartError> {
    let placement = config.engine.backend.placement().map_err(StartError::of)?;
    let mut loading = JoinSet::new();
    for (place, entry) in config.models.iter().cloned().enumerate() {
        let placement = placement.clone();
        loading.spawn_blocking(move || Ok::<_, StartError>((place, load_one(&entry, &placement)?)));
    }
    let mut models = Vec::new();
    while let Some(loaded) = loading.join_next().await {
        models.push(loaded.map_err(StartError::of)??);
    }
    models.sort_by_key(|(place, _)| *place);
    let models: Vec<Arc<Model>> = models.into_iter().map(|(_, model)| model).collect();
    for model in &models {
        warm_up(explainer, model).await?;
    }
    gauge!("explaind_models").set(models.len() as f64);
    explainer.pool.fill(models);
    Ok(())
}

fn load_one(entry: &ModelEntry, placement: &Placement) -> Result<Arc<Model>, StartError> {
    let source: Source = entry.source.parse().map_err(StartError::of)?;
    let model = Model::load(&entry.id, &source, placement).map_err(StartError::of)?;
    info!(id = model.id, %source, architecture = model.architecture, "loaded");
    Ok(Arc::new(model))
}

/// One real pass: the first is slower, and shows that the model works.
async fn warm_up(explainer: &Explainer, model: &Arc<Model>) -> Result<(), StartError> {
    // A Chinese text also reads the dictionary of Chinese words.
    let text = match model.script {
        Some(Script::Han) => "预热",
        Some(Script::Latin) | None => "warm up",
    };
    let input = Input { text: text.to_owned(), ..Input::default() };
    let question = Question::prediction(Arc::clone(model), vec![input]);
    let answer = explainer.explain(question).await.map_err(StartError::of)?;
    let failed = answer.results.into_iter().find_map(|(_, result)| result.err());
    failed.map_or(Ok(()), |error| Err(StartError(format!("{}: {error}", model.id))))
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

/// Serves on `listener` until `shutdown`, then gives answers in flight the
/// configured time. `announce` is called once readiness is true.
pub async fn run(
    config: Config,
    listener: TcpListener,
    announce: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(StartError::of)?;
    let metrics = telemetry::metrics().map_err(StartError::of)?;
    let service = Service::new(explainer(&config)?, metrics, config.limits.body_bytes);
    let (stop, mut stopping) = watch::channel(());
    let serving =
        axum::serve(listener, http::router(service.clone())).with_graceful_shutdown(async move {
            // An error means that the sender is gone: stop as well.
            let _ = stopping.changed().await;
        });
    let mut serving = tokio::spawn(serving.into_future());
    let upkeep = tokio::spawn(keep_metrics_small(service.metrics.clone()));
    let mut shutdown = pin!(shutdown);
    tokio::select! {
        loaded = load(&service.explainer, &config) => {
            loaded?;
            announce(address);
            shutdown.await;
        }
        // Told to stop while still loading.
        () = &mut shutdown => {}
    }
    info!("shutting down");
    upkeep.abort();
    service.drain();
    let _ = stop.send(());
    let drain = Duration::from_millis(config.server.drain_ms);
    match tokio::time::timeout(drain, &mut serving).await {
        Ok(served) => served.map_err(StartError::of)?.map_err(StartError::of),
        Err(_) => {
            info!("answers still in flight are given up");
            Ok(())
        }
    }
}
