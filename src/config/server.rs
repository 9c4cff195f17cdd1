//! Where the service listens, and to whom.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use garde::Validate;
use serde::{Deserialize, Serialize};

use super::{AdminKey, NamedKey, keys};
use crate::files;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    #[garde(skip)]
    pub listen: SocketAddr,
    /// Where /livez, /readyz and /metrics are answered too, over plain HTTP, whatever
    /// the connections of the service do; nowhere by default.
    #[garde(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_listen: Option<SocketAddr>,
    /// After SIGTERM, how long requests are still taken while readiness is false
    /// already: until whoever sends them has seen that.
    #[garde(range(min = 0, max = 3_600_000))]
    pub lame_duck_ms: u64,
    /// After that, for answers in flight.
    #[garde(range(min = 0, max = 3_600_000))]
    pub drain_ms: u64,
    /// Of those who may load and unload models; without one, a new one is printed at
    /// each start. Never written out.
    #[garde(skip)]
    #[serde(skip_serializing)]
    pub admin_key: Option<AdminKey>,
    /// Of those who may ask, as NAME:sha256:HEX; none: whoever reaches it.
    #[garde(custom(keys::unique_names))]
    pub keys: Vec<NamedKey>,
    /// More of them, one a line; read again when it changes.
    #[garde(custom(readable_keys))]
    pub keys_file: Option<PathBuf>,
    /// Names that requests may be addressed to, NAME or NAME:PORT, besides this machine's
    /// own addresses; "*" is any. None: those that no public domain has.
    #[garde(inner(custom(host)))]
    pub hosts: Vec<String>,
    /// Encrypts connections; none by default.
    #[garde(dive)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Origins of web pages whose scripts may ask; none by default.
    #[garde(inner(custom(origin)))]
    pub cors_origins: Vec<String>,
}

/// PEM files, read at the start and at SIGHUP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those between it and a root.
    #[garde(custom(readable))]
    pub certificate: PathBuf,
    /// Its private key.
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
        }
    }
}

impl Server {
    /// Whether whoever asks needs a key.
    pub fn needs_key(&self) -> bool {
        !self.keys.is_empty() || self.keys_file.is_some()
    }
}

fn readable(file: &Path, _: &()) -> garde::Result {
    let wrong = |error| garde::Error::new(format!("{}: {error}", file.display()));
    files::open(file).map(|_| ()).map_err(wrong)
}

fn readable_keys(file: &Option<PathBuf>, _: &()) -> garde::Result {
    let read = file.as_deref().map(keys::read).transpose();
    read.map(|_| ()).map_err(garde::Error::new)
}

/// `example.org` or `example.org:8080`, as requests name it.
fn host(host: &str, _: &()) -> garde::Result {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match host == "*" || !name.is_empty() && name.chars().all(plain) {
        true => Ok(()),
        false => Err(garde::Error::new("a host is NAME or NAME:PORT, such as example.org, or *")),
    }
}

/// `https://example.org`, as browsers send it: no path, no wildcard.
fn origin(origin: &str, _: &()) -> garde::Result {
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let host =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    match rest.is_some_and(host) && !origin.contains('*') {
        true => Ok(()),
        false => Err(garde::Error::new("an origin is https://HOST[:PORT], without a path")),
    }
}
