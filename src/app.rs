//! Wires configuration, models, engine and routes together and runs them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use crate::checkpoint::Source;
use crate::config::{ActivationName, Config, ModelEntry};
use crate::engine::{self, Engine, ModelPool, PassLimits, Wanted};
use crate::explainer::{Explainer, Limits};
use crate::http::{self, Service};
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
    let limits = engine::Limits {
        pass: PassLimits {
            tokens: config.engine.batch_tokens,
            bytes: config.engine.pass_mebibytes << 20,
            workers: threads(config),
        },
        queued_tokens: config.engine.queued_tokens,
        time: config.limits.request_time(),
    };
    let budget = match config.limits.model_mebibytes {
        0 => Budget::default(),
        mebibytes => Budget::new(mebibytes << 20),
    };
    let placement = config.engine.backend.placement().map_err(StartError::of)?;
    Ok(Explainer {
        pool: Arc::new(ModelPool::new(budget, placement)),
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

/// Loads the models of the configuration and runs each once. One that cannot be
/// loaded does not keep the others from serving; where none can, that is an
/// error.
pub async fn load(explainer: &Explainer, entries: &[ModelEntry]) -> Result<(), StartError> {
    let mut wanted = Vec::new();
    for entry in entries {
        let source: Source = entry.source.parse().map_err(StartError::of)?;
        let activation = entry.activation.map(ActivationName::activation);
        wanted.push((entry.id.clone(), Wanted::new(source, activation)));
    }
    explainer.pool.load_first(wanted).await.map_err(|errors| {
        let details: Vec<String> = errors.into_iter().map(|error| error.detail).collect();
        StartError(details.join("\n"))
    })
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
    mut config: Config,
    listener: TcpListener,
    announce: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(StartError::of)?;
    config.server.listen = address;
    let metrics = telemetry::metrics().map_err(StartError::of)?;
    let service = Service::new(explainer(&config)?, metrics, &config);
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
        loaded = load(&service.explainer, &config.models) => {
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
