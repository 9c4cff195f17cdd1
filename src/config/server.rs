//! The addresses that the service listens on, and access to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AdminKey, NamedKey, keys};
use crate::files;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address and port of the service.
    #[garde(skip)]
    pub listen: SocketAddr,
    /// A second address for /livez, /readyz and /metrics: always plain HTTP, with connections of
    /// its own.
    #[garde(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_listen: Option<SocketAddr>,
    /// How long requests are still accepted after SIGTERM, while readiness is already false, so
    /// that load balancers notice it.
    #[garde(range(min = 0, max = 3_600_000))]
    pub lame_duck_ms: u64,
    /// After `lame_duck_ms`, how long responses in flight have to complete.
    #[garde(range(min = 0, max = 3_600_000))]
    pub drain_ms: u64,
    /// The key for loading and unloading models. Without it, a new one is printed at each
    /// start.
    #[garde(skip)]
    #[serde(skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub admin_key: Option<AdminKey>,
    /// Keys of clients, as NAME:sha256:HEX. Without any, no key is needed.
    #[garde(custom(keys::unique_names))]
    #[schemars(with = "Vec<String>")]
    pub keys: Vec<NamedKey>,
    /// A file with more keys, one per line; reloaded when it changes.
    #[garde(custom(readable_keys))]
    pub keys_file: Option<PathBuf>,
    /// Allowed hosts of requests, NAME or NAME:PORT, besides this machine's own addresses; "*"
    /// allows any. Without any, names that cannot be public domains are allowed.
    #[garde(inner(custom(host)))]
    pub hosts: Vec<String>,
    /// TLS for connections.
    #[garde(dive)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Origins of web pages that may send requests.
    #[garde(inner(custom(origin)))]
    pub cors_origins: Vec<String>,
    /// Whether the playground is served at /.
    #[garde(skip)]
    pub playground: bool,
}

/// PEM files, read at start and reloaded on SIGHUP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, followed by intermediate certificates.
    #[garde(custom(readable))]
    pub certificate: PathBuf,
    /// The private key of the certificate.
    #[garde(custom(readable))]
    pub key: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            probe_listen: None,
            lame_duck_ms: 0,
            drain_ms: 10_000,
            admin_key: None,
            keys: Vec::new(),
            keys_file: None,
            hosts: Vec::new(),
            tls: None,
            cors_origins: Vec::new(),
            playground: true,
        }
    }
}

impl Server {
    /// Whether clients need a key.
    pub fn needs_key(&self) -> bool {
        !self.keys.is_empty() || self.keys_file.is_some()
    }
}

fn readable(file: &Path, _: &()) -> garde::Result {
    let fail = |error| garde::Error::new(format!("{}: {error}", file.display()));
    files::open(file).map(|_| ()).map_err(fail)
}

fn readable_keys(file: &Option<PathBuf>, _: &()) -> garde::Result {
    let read = file.as_deref().map(keys::read).transpose();
    read.map(|_| ()).map_err(garde::Error::new)
}

/// Checks the form of a host: `example.org` or `example.org:8080`.
fn host(host: &str, _: &()) -> garde::Result {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match host == "*" || !name.is_empty() && name.chars().all(allowed) {
        true => Ok(()),
        false => Err(garde::Error::new("a host is NAME or NAME:PORT, such as example.org, or *")),
    }
}

/// Checks the form of an origin: `https://example.org`, without path or wildcard.
fn origin(origin: &str, _: &()) -> garde::Result {
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let host =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    match rest.is_some_and(host) && !origin.contains('*') {
        true => Ok(()),
        false => Err(garde::Error::new("an origin is https://HOST[:PORT], without a path")),
    }
}
