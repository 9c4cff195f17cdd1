//! `explaind healthcheck`: sends GET /readyz.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use ureq::http::StatusCode;
use ureq::tls::TlsConfig;
use ureq::{Agent, Error};

use super::numbers;
use super::shared::Failure;
use crate::config::Config;

/// Check whether a running service is ready, at the address in its configuration; for container
/// health checks.
#[derive(Args)]
pub struct Healthcheck {
    /// The service's configuration file, which overrides the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the service, instead of server.probe_listen or server.listen.
    #[arg(long, value_name = "ADDR:PORT")]
    address: Option<SocketAddr>,
    /// Time limit for the response, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 3_000, value_parser = numbers::whole::<u64>)]
    timeout_ms: u64,
}

/// Succeeds if the service is ready.
pub fn healthcheck(flags: &Healthcheck) -> Result<(), Failure> {
    let server = Config::read(flags.config.as_deref())?.server;
    let configured = server.probe_listen.unwrap_or(server.listen);
    let address = connectable(flags.address.unwrap_or(configured));
    let deadline = Instant::now() + Duration::from_millis(flags.timeout_ms);
    // The probe listener has no TLS. Without one, try both, because `--address` may belong to a
    // service with another configuration.
    let answer = match (server.tls, server.probe_listen) {
        (Some(_), None) => status("https", address, deadline),
        _ => match status("http", address, deadline) {
            Err(Error::Timeout(timeout)) => Err(Error::Timeout(timeout)),
            Err(_) => status("https", address, deadline),
            answer => answer,
        },
    };
    match answer {
        Ok(StatusCode::OK) => Ok(()),
        Ok(status) => Err(format!("not ready: {status}").into()),
        Err(Error::Timeout(_)) => Err(format!("no answer within {} ms", flags.timeout_ms).into()),
        Err(error) => Err(format!("{address}: {error}").into()),
    }
}

/// Returns the status of the response to GET /readyz.
fn status(scheme: &str, address: SocketAddr, deadline: Instant) -> Result<StatusCode, Error> {
    // Any certificate will do: it is issued for the service's name, but the check connects by
    // address. Nothing secret is sent, and only readiness is reported.
    let tls = TlsConfig::builder().disable_verification(true).build();
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(deadline.saturating_duration_since(Instant::now())))
        .tls_config(tls)
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .build()
        .into();
    Ok(agent.get(format!("{scheme}://{address}/readyz")).call()?.status())
}

/// Replaces an unspecified address by the loopback address, to connect to.
fn connectable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
