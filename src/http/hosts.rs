//! Which hosts a request may be addressed to. A page in a browser can have the name of
//! its own host point at this machine (DNS rebinding), and then ask as if it came from
//! here; but it cannot hide that name.

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

/// Names below these are given by no public DNS, as names of one label are not.
const PRIVATE: [&str; 5] = [".localhost", ".local", ".internal", ".svc", ".cluster.local"];

/// The hosts that are answered.
#[derive(Debug)]
pub struct Hosts {
    addresses: Addresses,
    names: Names,
}

/// Hosts that are addresses: nobody can have one point elsewhere.
#[derive(Debug)]
enum Addresses {
    /// Nobody reaches any other.
    Loopback,
    /// Balancers and probes use addresses that this machine may not know of.
    All,
}

#[derive(Debug)]
enum Names {
    Loopback,
    /// Those that no public domain has.
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

    /// Refuses a request that is not for this service.
    fn check(&self, request: &Request) -> Result<()> {
        match host(request)? {
            Some(host) if !self.have(&host) => {
                let detail = format!(
                    "this service is not {:?}; ask it by an address of its machine, or add the \
                     name to server.hosts",
                    host.host()
                );
                Err(Error::new(Code::MisdirectedRequest, detail))
            }
            _ => Ok(()),
        }
    }

    fn have(&self, authority: &Authority) -> bool {
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(address) = inner.unwrap_or(&host).parse::<IpAddr>() {
            return match self.addresses {
                Addresses::All => true,
                Addresses::Loopback => address.is_loopback(),
            };
        }
        host == "localhost" || self.names.have(&host, authority.port_u16())
    }
}

impl Names {
    fn have(&self, host: &str, port: Option<u16>) -> bool {
        match self {
            Self::Loopback => host.ends_with(".localhost"),
            Self::Private => !host.contains('.') || PRIVATE.iter().any(|end| host.ends_with(end)),
            Self::Configured(entries) => entries.iter().any(|entry| is_of(entry, host, port)),
        }
    }
}

/// Whether an entry of the configuration means this host. One without a port means all.
fn is_of(entry: &str, host: &str, port: Option<u16>) -> bool {
    match entry.rsplit_once(':') {
        Some((name, number)) => name.eq_ignore_ascii_case(host) && number.parse().ok() == port,
        None => entry == "*" || entry.eq_ignore_ascii_case(host),
    }
}

/// The host that a request is for: HTTP/2's `:authority`, or the header Host. HTTP/1.0
/// needs none.
fn host(request: &Request) -> Result<Option<Authority>> {
    let mut given = request.headers().get_all(header::HOST).iter();
    let header = match (given.next(), given.next()) {
        (Some(value), None) => {
            let host = Authority::try_from(value.as_bytes()).ok();
            Some(host.ok_or_else(|| bad("the header Host is no HOST or HOST:PORT"))?)
        }
        (Some(_), Some(_)) => return Err(bad("there are several headers Host; send one")),
        (None, _) => None,
    };
    match (request.uri().authority(), header) {
        (Some(target), Some(header)) if *target != header => {
            Err(bad("the header Host and the request's target name different hosts; send one"))
        }
        (Some(target), _) => Ok(Some(target.clone())),
        (None, Some(header)) => Ok(Some(header)),
        (None, None) if request.version() < Version::HTTP_11 => Ok(None),
        (None, None) => Err(bad("the header Host is missing; send it")),
    }
}

fn bad(detail: &str) -> Error {
    Error::new(Code::BadRequest, detail)
}

/// Middleware that answers those requests alone that are for this service.
pub async fn known(State(service): State<Service>, request: Request, next: Next) -> Response {
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

    fn asked(server: &Server, request: axum::http::request::Builder) -> Result<(), Code> {
        let request = request.body(Body::empty()).unwrap();
        Hosts::new(server).check(&request).map_err(|error| error.code)
    }

    fn answers(server: &Server, host: &str) -> bool {
        match asked(server, Request::get("/models").header("host", host)) {
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
    fn on_loopback_only_loopback() {
        for listen in ["127.0.0.1:8080", "[::1]:8080"] {
            let server = server(listen, &[]);
            assert!(LOOPBACK.iter().all(|host| answers(&server, host)));
            for host in EVIL.iter().chain(&["explaind", "10.0.0.1:8080"]) {
                assert!(!answers(&server, host), "{host}");
            }
        }
    }

    #[test]
    fn elsewhere_addresses_and_names_that_are_not_public() {
        for listen in ["0.0.0.0:8080", "[::]:80", "192.0.2.1:8080"] {
            let server = server(listen, &[]);
            assert!(LOOPBACK.iter().all(|host| answers(&server, host)));
            for host in ["10.0.0.1:8080", "[2001:db8::1]", "explaind:8080", "explaind.default.svc"]
            {
                assert!(answers(&server, host), "{host}");
            }
            assert!(EVIL.iter().all(|host| !answers(&server, host)));
        }
    }

    #[test]
    fn names_that_are_configured() {
        let server = server("0.0.0.0:80", &["Example.org", "other.example:8080"]);
        for host in
            ["example.org", "EXAMPLE.ORG:443", "other.example:8080", "10.0.0.1", "localhost"]
        {
            assert!(answers(&server, host), "{host}");
        }
        for host in ["www.example.org", "other.example", "other.example:80", "explaind"] {
            assert!(!answers(&server, host), "{host}");
        }
        let any = self::server("127.0.0.1:80", &["*"]);
        assert!(EVIL.iter().all(|host| answers(&any, host)));
    }

    #[test]
    fn one_host_and_no_more() {
        let local = server("127.0.0.1:8080", &[]);
        let bad = Err(Code::BadRequest);
        let get = || Request::get("/models");
        assert_eq!(asked(&local, get()), bad);
        assert_eq!(asked(&local, get().version(Version::HTTP_10)), Ok(()));
        let twice = get().header("host", "localhost").header("host", "localhost");
        assert_eq!(asked(&local, twice), bad);
        for odd in ["", "a b", "http://localhost/", "é"] {
            assert_eq!(asked(&local, get().header("host", odd)), bad, "{odd:?}");
        }
        // HTTP/2 has it in the target, as do requests to a proxy.
        let target = |host: &str| Request::get(format!("http://{host}/models"));
        assert_eq!(asked(&local, target("localhost:8080")), Ok(()));
        assert_eq!(asked(&local, target("evil.example")), Err(Code::MisdirectedRequest));
        assert_eq!(asked(&local, target("evil.example").header("host", "localhost")), bad);
        let both = target("localhost:8080").header("host", "localhost:8080");
        assert_eq!(asked(&local, both), Ok(()));
    }
}
