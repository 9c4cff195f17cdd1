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
use crate::concepts::Concepts;
use crate::config::{ActivationName, Config, CorpusEntry, Limits, ModelEntry};
use crate::corpus::Similarity;
use crate::engine::corpora::Origin;
use crate::engine::{self, CorpusSpec, Engine, ModelPool, ModelSpec, PassLimits};
use crate::explainer::Explainer;
use crate::explanation::{Groups, Lexicon};
use crate::http::{self, Connections, Service, Tls, WorkRuntime};
use crate::model::{Budget, Model};
use crate::remote::{self, Remote};
use crate::telemetry;

/// Why the service could not start or continue, as a line for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    fn of(error: impl ToString) -> Self {
        Self(error.to_string())
    }
}

/// Creates an explainer without models.
pub fn explainer(config: &Config) -> Result<Explainer, StartError> {
    let (placement, not_a_gpu) = config.engine.device.placement().map_err(StartError::of)?;
    info!(device = placement.device(), %placement, reason = not_a_gpu, "models compute here");
    let sizes = Sizes::of(config, &placement);
    sizes.log();
    let limits = engine::Limits {
        pass: PassLimits {
            tokens: sizes.pass_tokens,
            bytes: sizes.pass_bytes,
            workers: sizes.workers,
            express: sizes.express,
        },
        queued_work: sizes.queued_work,
        time: config.limits.request_time(),
    };
    let budget = sizes.model_bytes.map(Budget::new).unwrap_or_default();
    let load_time = config.limits.load_time();
    let sources = config.sources.clone();
    let allowed = Allowed::by(move |source| sources.check(source));
    let pool = ModelPool::new(budget, placement, load_time).within(allowed);
    let pool = Arc::new(pool.with_passes_of(sizes.pass_tokens));
    let engine = Engine::start(limits).map_err(StartError::of)?;
    let lexicon = Lexicon::new(&config.lexicon, config.limits.evidence_terms);
    let explainer = Explainer::new(pool, engine, Arc::new(config.limits.clone()));
    explainer.set_lexicon(lexicon.map_err(StartError::of)?);
    Ok(match &config.concepts.folder {
        Some(folder) => explainer.with_concepts(Concepts::open(folder)),
        None => explainer,
    })
}

/// Loads the configured models and runs each once. Models that fail to load do not keep the others
/// from being served; it is an error if all fail.
pub async fn load(explainer: &Explainer, entries: &[ModelEntry]) -> Result<(), StartError> {
    let mut all = Vec::new();
    for entry in entries {
        all.push((entry.id.clone(), model_spec(entry)?));
    }
    explainer.pool.load_first(all).await.map_err(|errors| {
        let details: Vec<String> = errors.into_iter().map(|error| error.detail).collect();
        StartError(details.join("\n"))
    })
}

/// Embeds the corpora that are new in a configuration in the background, and removes those that it
/// no longer has.
pub fn serve_corpora(explainer: &Explainer, old: &[CorpusEntry], new: &[CorpusEntry]) {
    let corpora = &explainer.corpora;
    for entry in new.iter().filter(|entry| !old.contains(entry)) {
        let begun = corpora.put(corpus(entry)).and_then(|()| {
            let model = explainer.pool.get(Some(&entry.model))?;
            let spec = corpora.get(Some(&entry.id), &model)?;
            corpora.begin(&spec, &model, Similarity::Cosine).map(|_| ())
        });
        if let Err(error) = begun {
            warn!(id = entry.id, %error, "a corpus is not embedded yet");
        }
    }
    for gone in old.iter().filter(|entry| new.iter().all(|other| other.id != entry.id)) {
        if let Err(error) = corpora.remove(&gone.id) {
            warn!(id = gone.id, %error, "a corpus had already been removed");
        }
    }
}

fn corpus(entry: &CorpusEntry) -> CorpusSpec {
    CorpusSpec {
        id: entry.id.clone(),
        origin: Origin::File(entry.path.clone()),
        model: entry.model.clone(),
        layer: entry.layer,
        pooling: entry.pooling,
        store: entry.store.clone(),
    }
}

fn model_spec(entry: &ModelEntry) -> Result<ModelSpec, StartError> {
    let source: Source = entry.source.parse().map_err(StartError::of)?;
    let activation = entry.activation.map(ActivationName::activation);
    Ok(ModelSpec::new(source, activation, entry.dtype.dtype()))
}

/// Drains histograms regularly. They keep each sample until they are read, so memory would grow if
/// nobody scraped the metrics.
async fn drain_histograms(metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

/// External events that a running service reacts to.
pub struct Signals<S> {
    /// Completes when the service should shut down.
    pub stop: S,
    /// New configurations, whose models, corpora and lexicon should be used from then on.
    pub reload: mpsc::Receiver<Config>,
}

/// Time between attempts to reach the predictor.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Connections of the separate listener for probes.
const PROBE_CONNECTIONS: usize = 16;

/// Serves on `listener` until `signals.stop`. Then keeps serving for the lame-duck time with
/// readiness false, and finally drains responses in flight. Calls `announce` with the address once
/// the service is ready.
pub async fn run<S: Future<Output = ()>>(
    mut config: Config,
    listener: TcpListener,
    announce: impl FnOnce(&str),
    mut signals: Signals<S>,
) -> Result<(), StartError> {
    config.server.listen = listener.local_addr().map_err(StartError::of)?;
    let metrics = telemetry::metrics().map_err(StartError::of)?;
    let tls = config.server.tls.clone().map(Tls::new).transpose().map_err(StartError::of)?;
    let work_runtime = WorkRuntime::new().map_err(StartError::of)?;
    let service = Service::new(explainer(&config)?, work_runtime.handle(), metrics, &config);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", config.server.listen);
    let connections = Connections::new(listener, tls.clone(), &config.limits);
    let (stop, stopping) = oneshot::channel::<()>();
    let router = http::router(service.clone());
    let mut serving = tokio::spawn(connections.serve(router, async {
        // An error means that the sender was dropped: stop as well.
        let _ = stopping.await;
    }));
    let probes = serve_probes(&service, &config).await?;
    let upkeep = Upkeep::start(&service, &config);
    let mut shutdown = pin!(signals.stop);
    tokio::select! {
        result = begin(&service, &config) => {
            result?;
            announce(&address);
            loop {
                tokio::select! {
                    () = &mut shutdown => break,
                    Some(new) = signals.reload.recv() => {
                        replace_lexicon(&service.explainer, &new.lexicon);
                        reload(&service, tls.as_ref(), &config.models, &new.models).await;
                        serve_corpora(&service.explainer, &config.corpora, &new.corpora);
                        (config.models, config.corpora) = (new.models, new.corpora);
                    }
                }
            }
        }
        // Stopped while loading.
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
            info!("responses that are still in flight are abandoned");
            Ok(())
        }
    }
}

/// Serves probes on their own listener, if one is configured, until the handle is dropped.
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

/// Serves the predictor's model, loads the models, starts to embed the corpora, and checks that the
/// service can answer.
pub async fn begin(service: &Service, config: &Config) -> Result<(), StartError> {
    if let Some(settings) = config.predictor.settings() {
        let model = predicted_elsewhere(settings).await?;
        service.explainer.pool.add(Arc::new(model));
    }
    load(&service.explainer, &config.models).await?;
    serve_corpora(&service.explainer, &[], &config.corpora);
    service.ready().await.map_err(StartError::of)
}

/// Asks the predictor for its outputs until it answers: it may start later.
async fn predicted_elsewhere(settings: remote::Settings) -> Result<Model, StartError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let (settings, id) = (settings.clone(), settings.model.clone());
        let connect =
            move || Remote::connect(settings).and_then(|remote| Model::remote(&id, remote));
        match tokio::task::spawn_blocking(connect).await.map_err(StartError::of)? {
            Ok(model) => return Ok(model),
            Err(error) => warn!(%error, "the predictor does not answer yet"),
        }
        sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Serves the models of a new configuration: loads models that are new or changed and unloads those
/// that are gone. Requests in flight keep theirs.
async fn reload(service: &Service, tls: Option<&Tls>, old: &[ModelEntry], new: &[ModelEntry]) {
    info!(models = new.len(), "the configuration was reloaded");
    if let Some(Err(error)) = tls.map(Tls::renew) {
        warn!(error, "the certificate cannot be read; the previous one stays in use");
    }
    let pool = &service.explainer.pool;
    for entry in new {
        let result = match model_spec(entry) {
            Ok(spec) => pool.load(&entry.id, spec).await.map_err(StartError::of),
            Err(error) => Err(error),
        };
        audit("load", &entry.id, result);
    }
    for gone in old.iter().filter(|entry| new.iter().all(|other| other.id != entry.id)) {
        // DELETE may have removed it already.
        audit("unload", &gone.id, pool.remove(&gone.id));
    }
    pool.arrange(&new.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>());
}

/// Uses the lexicon of a new configuration, within the limit of the running one.
fn replace_lexicon(explainer: &Explainer, new: &Groups) {
    match Lexicon::new(new, explainer.limits.evidence_terms) {
        Ok(lexicon) => explainer.set_lexicon(lexicon),
        Err(error) => warn!(error, "the lexicon is too large; the previous one stays in use"),
    }
}

/// Logs what a reload did to a model, in the same form as PUT and DELETE.
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

/// Stands for the key's name in these log lines; no key can have this name.
const RELOAD: &str = "*reload";

/// Background tasks; they end when this is dropped.
struct Upkeep([JoinHandle<()>; 3]);

impl Upkeep {
    fn start(service: &Service, config: &Config) -> Self {
        let pool = Arc::clone(&service.explainer.pool);
        let corpora = Arc::clone(&service.explainer.corpora);
        let interval = Duration::from_millis(config.engine.watch_ms);
        let models = async move {
            if !interval.is_zero() {
                pool.watch(interval).await;
            }
        };
        let corpora = async move {
            if !interval.is_zero() {
                corpora.watch(interval).await;
            }
        };
        let metrics = drain_histograms(service.metrics.clone());
        Self([tokio::spawn(models), tokio::spawn(corpora), tokio::spawn(metrics)])
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}
