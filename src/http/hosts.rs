//! Checks the host that a request is addressed to. A web page can make the name of its own host
//! resolve to this machine and then send requests to it (DNS rebinding), but these requests still
//! carry that name.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Service;
use super::problem::Failure;
use crate::config::Server;
use crate::error::{Code, Error, Result};

/// Suffixes that public DNS does not resolve. It does not resolve names without a dot either.
const PRIVATE: [&str; 5] = [".localhost", ".local", ".internal", ".svc", ".cluster.local"];

/// The hosts that the service accepts.
#[derive(Debug)]
pub struct Hosts {
    addresses: Addresses,
    names: Names,
}

/// Hosts that are IP addresses, which cannot be rebound.
#[derive(Debug)]
enum Addresses {
    /// Only loopback addresses: no other reaches a listener on one.
    Loopback,
    /// All addresses: load balancers and probes may use some that this machine does not know.
    All,
}

#[derive(Debug)]
enum Names {
    Loopback,
    /// Names without a dot or with one of the suffixes in [`PRIVATE`].
    Private,
    Configured(Vec<String>),
}

impl Hosts {
    pub fn new(server: &Server) -> Self {
        let (addresses, default) = match server.listen.ip().is_loopback() {
            true => (Addresses::Loopback, Names::Loopback),
            false => (Addresses::All, Names::Private),
        };
        let names = match server.hosts.is_empty() {
            true => default,
            false => Names::Configured(server.hosts.clone()),
        };
        Self { addresses, names }
    }

    /// Rejects a request to another host.
    fn check(&self, request: &Request) -> Result<()> {
        match host(request)? {
            Some(host) if !self.accept(&host) => {
                let detail = format!(
                    "this service is not {:?}; use an address of its machine, or add the name to \
                     server.hosts",
                    host.host()
                );
                Err(Error::new(Code::MisdirectedRequest, detail))
            }
            _ => Ok(()),
        }
    }

    fn accept(&self, authority: &Authority) -> bool {
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(address) = inner.unwrap_or(&host).parse::<IpAddr>() {
            return match self.addresses {
                Addresses::All => true,
                Addresses::Loopback => address.is_loopback(),
            };
        }
        host == "localhost" || self.names.accept(&host, authority.port_u16())
    }
}

impl Names {
    fn accept(&self, host: &str, port: Option<u16>) -> bool {
        match self {
            Self::Loopback => host.ends_with(".localhost"),
            Self::Private => !host.contains('.') || PRIVATE.iter().any(|end| host.ends_with(end)),
            Self::Configured(entries) => entries.iter().any(|entry| matches(entry, host, port)),
        }
    }
}

/// Whether a configured entry matches this host. An entry without a port matches all ports.
fn matches(entry: &str, host: &str, port: Option<u16>) -> bool {
    match entry.rsplit_once(':') {
        Some((name, number)) => name.eq_ignore_ascii_case(host) && number.parse().ok() == port,
        None => entry == "*" || entry.eq_ignore_ascii_case(host),
    }
}

/// The host of a request: HTTP/2's `:authority`, or the header Host, which HTTP/1.1 requires
/// whatever the target.
fn host(request: &Request) -> Result<Option<Authority>> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => {
            let host = Authority::try_from(value.as_bytes()).ok();
            Some(host.ok_or_else(|| bad("the header Host must be HOST or HOST:PORT"))?)
        }
        (Some(_), Some(_)) => return Err(bad("there are several Host headers; send one")),
        (None, _) => None,
    };
    match (request.uri().authority(), header) {
        (Some(target), Some(header)) if *target != header => {
            Err(bad("the Host header and the request's target have different hosts; send one"))
        }
        (_, None) if request.version() == Version::HTTP_11 => {
            Err(bad("the Host header is missing"))
        }
        (target, header) => Ok(target.cloned().or(header)),
    }
}

fn bad(detail: &str) -> Error {
    Error::new(Code::BadRequest, detail)
}

/// Middleware that rejects requests to other hosts.
pub async fn check_host(State(service): State<Service>, request: Request, next: Next) -> Response {
    match service.hosts.check(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => Failure::from(error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn server(listen: &str, hosts: &[&str]) -> Server {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        Server { listen: listen.parse().unwrap(), hosts, ..Server::default() }
    }

    fn check(server: &Server, request: axum::http::request::Builder) -> Result<(), Code> {
        let request = request.body(Body::empty()).unwrap();
        Hosts::new(server).check(&request).map_err(|error| error.code)
    }

    fn accepts(server: &Server, host: &str) -> bool {
        match check(server, Request::get("/models").header("host", host)) {
            Ok(()) => true,
            Err(code) => {
                assert_eq!(code, Code::MisdirectedRequest, "{host}");
                false
            }
        }
    }

    const LOOPBACK: [&str; 6] =
        ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080", "localhost."];
    const EVIL: [&str; 4] = [
        "evil.example",
        "localhost.evil.example:8080",
        "127.0.0.1.evil.example",
        "evillocalhost.org",
    ];

    #[test]
    fn a_loopback_listener_accepts_only_loopback_hosts() {
        for listen in ["127.0.0.1:8080", "[::1]:8080"] {
            let server = server(listen, &[]);
            assert!(LOOPBACK.iter().all(|host| accepts(&server, host)));
            for host in EVIL.iter().chain(&["explaind", "10.0.0.1:8080"]) {
                assert!(!accepts(&server, host), "{host}");
            }
        }
    }

    #[test]
    fn other_listeners_accept_addresses_and_private_names() {
        for listen in ["0.0.0.0:8080", "[::]:80", "192.0.2.1:8080"] {
            let server = server(listen, &[]);
            assert!(LOOPBACK.iter().all(|host| accepts(&server, host)));
            for host in ["10.0.0.1:8080", "[2001:db8::1]", "explaind:8080", "explaind.default.svc"]
            {
                assert!(accepts(&server, host), "{host}");
            }
            assert!(EVIL.iter().all(|host| !accepts(&server, host)));
        }
    }

    #[test]
    fn configured_names() {
        let server = server("0.0.0.0:80", &["Example.org", "other.example:8080"]);
        for host in
            ["example.org", "EXAMPLE.ORG:443", "other.example:8080", "10.0.0.1", "localhost"]
        {
            assert!(accepts(&server, host), "{host}");
        }
        for host in ["www.example.org", "other.example", "other.example:80", "explaind"] {
            assert!(!accepts(&server, host), "{host}");
        }
        let any = self::server("127.0.0.1:80", &["*"]);
        assert!(EVIL.iter().all(|host| accepts(&any, host)));
    }

    #[test]
    fn a_request_has_exactly_one_host() {
        let local = server("127.0.0.1:8080", &[]);
        let bad = Err(Code::BadRequest);
        let get = || Request::get("/models");
        assert_eq!(check(&local, get()), bad);
        assert_eq!(check(&local, get().version(Version::HTTP_10)), Ok(()));
        let twice = get().header("host", "localhost").header("host", "localhost");
        assert_eq!(check(&local, twice), bad);
        for malformed in ["", "a b", "http://localhost/", "é"] {
            assert_eq!(check(&local, get().header("host", malformed)), bad, "{malformed:?}");
        }
        // HTTP/2 has the host in the target, like requests to a proxy.
        let target = |host: &str| Request::get(format!("http://{host}/models"));
        let http2 = |host: &str| target(host).version(Version::HTTP_2);
        assert_eq!(check(&local, http2("localhost:8080")), Ok(()));
        assert_eq!(check(&local, http2("evil.example")), Err(Code::MisdirectedRequest));
        assert_eq!(check(&local, target("localhost:8080")), bad, "HTTP/1.1 needs the header too");
        assert_eq!(check(&local, target("evil.example").header("host", "localhost")), bad);
        let both = target("localhost:8080").header("host", "localhost:8080");
        assert_eq!(check(&local, both), Ok(()));
    }
}
