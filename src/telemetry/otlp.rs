//! Exports spans with OTLP over HTTP: requests, their rows, and the passes of those.

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue, propagation::TextMapPropagator};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// OpenTelemetry's standard variables, which also select a collector.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Time limit for sending a batch of spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Exports spans; sends the remaining ones when dropped.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Returns `None` if no collector is configured.
    pub fn start(endpoint: Option<&str>) -> Result<Option<Self>, String> {
        if endpoint.is_none() && VARIABLES.iter().all(|name| env::var_os(name).is_none()) {
            return Ok(None);
        }
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(EXPORT_TIMEOUT))
            .http_status_as_error(false)
            .build();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Client(agent.into()));
        if let Some(endpoint) = endpoint {
            let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
            exporter = exporter.with_endpoint(endpoint);
        }
        let exporter = exporter.build().map_err(|error| format!("log.otlp: {error}"))?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let mut resource = Resource::builder().with_attribute(version);
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("explaind");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Some(Self(provider)))
    }

    /// Layer that exports all spans of this crate, independent of the log filter.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let own = Targets::new().with_target("explaind", LevelFilter::DEBUG);
        let tracer = self.0.tracer("explaind");
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(own)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// The headers of W3C Trace Context.
pub const HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// Makes a span part of the trace that these headers identify.
pub fn join(span: &Span, headers: &HashMap<String, String>) {
    let remote = TraceContextPropagator::new().extract_with_context(&Context::new(), headers);
    // An error means that spans are not exported.
    let _ = span.set_parent(remote);
}

/// Sends spans with the same HTTP client as the one for hub downloads.
#[derive(Debug)]
struct Client(ureq::Agent);

#[async_trait]
impl HttpClient for Client {
    /// Blocks, which is fine because the exporter has its own thread.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, body.to_vec());
        let (parts, mut body) = self.0.run(request)?.into_parts();
        Ok(Response::from_parts(parts, body.read_to_vec()?.into()))
    }
}
