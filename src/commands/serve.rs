//! `explaind serve`, the default command.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::shared::{Failure, model_entry, runtime, stop_signal};
use crate::app::{self, Signals};
use crate::choice::Choice;
use crate::config::{AdminKey, Config};
use crate::remote::Protocol;
use crate::telemetry;

#[derive(Args)]
pub struct Serve {
    /// A TOML file that overrides the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, such as 127.0.0.1:8080 or localhost:8080; port 0 selects a free
    /// one.
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// A model to serve, as [ID=]SOURCE, instead of the configured ones; may be repeated. SOURCE
    /// is builtin:NAME, a directory, or hf:OWNER/NAME[@REVISION] on the Hugging Face hub.
    #[arg(long)]
    model: Vec<String>,
    #[command(flatten)]
    explainer: Explainer,
}

/// Flags with which KServe starts an explainer.
#[derive(Args)]
#[command(next_help_heading = "As an explainer of KServe")]
struct Explainer {
    /// Explain the model of this server, HOST or HOST:PORT, by its predictions.
    #[arg(long = "predictor_host", value_name = "HOST")]
    predictor_host: Option<String>,
    /// Name of that model, there and here.
    #[arg(long = "model_name", value_name = "NAME", requires = "predictor_host")]
    model_name: Option<String>,
    /// Listen on this port of all addresses.
    #[arg(long = "http_port", value_name = "PORT", conflicts_with = "listen")]
    http_port: Option<u16>,
    /// Protocol of the predictor: v1, or v2 over REST.
    #[arg(long = "predictor_protocol", alias = "protocol", value_name = "PROTOCOL", value_parser = PossibleValuesParser::new(Protocol::NAMES))]
    predictor_protocol: Option<String>,
    /// Whether to connect to the predictor with TLS.
    #[arg(long = "predictor_use_ssl", value_name = "BOOL")]
    predictor_use_ssl: Option<bool>,
    /// Time limit of a call to the predictor.
    #[arg(long = "predictor_request_timeout_seconds", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    predictor_request_timeout_seconds: Option<u64>,
    /// Calls to the predictor at a time; KServe passes the container's concurrency.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl Explainer {
    /// Applies the flags. A predictor takes the place of the models, unless others are named.
    fn apply(&self, config: &mut Config) {
        if let Some(port) = self.http_port {
            config.server.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        }
        let predictor = &mut config.predictor;
        if let Some(host) = &self.predictor_host {
            predictor.host = Some(host.clone());
            config.models.clear();
        }
        let protocol = self.predictor_protocol.as_deref().and_then(Protocol::named);
        predictor.protocol = protocol.unwrap_or(predictor.protocol);
        predictor.model = self.model_name.clone().unwrap_or_else(|| predictor.model.clone());
        predictor.tls = self.predictor_use_ssl.unwrap_or(predictor.tls);
        predictor.concurrency = self.workers.unwrap_or(predictor.concurrency);
        let seconds = self.predictor_request_timeout_seconds;
        predictor.timeout_ms = seconds.map_or(predictor.timeout_ms, |seconds| 1_000 * seconds);
    }
}

/// Runs the service until a signal stops it.
pub fn serve(flags: Serve) -> Result<(), Failure> {
    let mut config = flags.config()?;
    let _logging = telemetry::start_logging(&config.log)?;
    if !config.server.listen.ip().is_loopback() && !config.server.needs_key() {
        tracing::warn!(
            "listening on {} without keys: anyone who can reach it can use it",
            config.server.listen
        );
    }
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let address = config.server.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        if config.server.admin_key.is_none() {
            config.server.admin_key = Some(new_admin_key());
        }
        let signals = Signals { stop: stop_signal()?, reload: reload_signal(flags)? };
        Ok(app::run(config, listener, announce, signals).await?)
    });
    // A model that is still being downloaded must not delay the exit.
    runtime.shutdown_background();
    result
}

/// Generates an admin key for this run. It is printed to standard error instead of logged, because
/// others may read the log.
fn new_admin_key() -> AdminKey {
    let (key, text) = AdminKey::generate();
    // If standard error is closed, nobody gets the key.
    let _ = writeln!(io::stderr(), "admin key until the service ends: {text}");
    key
}

impl Serve {
    /// The configuration with the changes of the flags.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::read(self.config.as_deref())?;
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        self.explainer.apply(&mut config);
        if !self.model.is_empty() {
            config.models =
                self.model.iter().map(|text| model_entry(text)).collect::<Result<_, _>>()?;
        }
        config.check()?;
        Ok(config)
    }
}

/// Prints the line that scripts wait for. A closed standard output is not an error.
fn announce(address: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
}

/// Sends the configuration at each SIGHUP if it is valid.
fn reload_signal(flags: Serve) -> io::Result<mpsc::Receiver<Config>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // Converted because a boxed error is not `Send`.
            let config = flags.config().map_err(|error| error.to_string());
            match config {
                Ok(config) => {
                    if send.send(config).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(error, "the new configuration is invalid and was not applied")
                }
            }
        }
    });
    Ok(receive)
}

/// Parses an address; the host may be a name.
fn address(text: &str) -> Result<SocketAddr, String> {
    let no_address = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidInput => "an address is ADDR:PORT, such as 127.0.0.1:8080".to_owned(),
        _ => format!("the host cannot be resolved: {error}"),
    };
    let mut found = text.to_socket_addrs().map_err(no_address)?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}
