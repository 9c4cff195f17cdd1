//! Who may change what is served: whoever has the key; without a configured
//! one, whoever is on this machine.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

use super::Service;
use super::problem::Failure;
use crate::config::{AdminKey, Server};
use crate::error::{Code, Error, Result};

/// The rule, from the configuration.
#[derive(Debug, Clone)]
pub enum Guard {
    Key(AdminKey),
    /// No key, and nobody but this machine can connect.
    Loopback,
    Closed,
}

/// Headers that say that somebody else asks, through a proxy on this machine.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

impl Guard {
    pub fn new(server: &Server) -> Self {
        match &server.admin_key {
            Some(key) => Self::Key(key.clone()),
            None if server.listen.ip().is_loopback() => Self::Loopback,
            None => Self::Closed,
        }
    }

    /// Whether the request carries the admin key.
    pub fn is_admin(&self, headers: &HeaderMap) -> bool {
        match (self, bearer(headers)) {
            (Self::Key(key), Some(given)) => key.is(given),
            _ => false,
        }
    }

    fn check(&self, parts: &Parts) -> Result<()> {
        match self {
            Self::Key(key) => match bearer(&parts.headers) {
                Some(given) if key.is(given) => Ok(()),
                Some(_) => Err(unauthorized("the key is not the admin key")),
                None => Err(unauthorized("this needs the admin key")),
            },
            Self::Loopback if is_local(parts) => Ok(()),
            Self::Loopback => Err(forbidden(
                "without an admin key, models are loaded and unloaded from this machine only, \
                 not through a proxy or another name",
            )),
            Self::Closed => {
                Err(forbidden("models are loaded and unloaded by those who have the admin key"))
            }
        }
    }
}

fn unauthorized(what: &str) -> Error {
    let detail = format!("{what}; send Authorization: Bearer KEY");
    Error::new(Code::Unauthorized, detail)
}

fn forbidden(what: &str) -> Error {
    let detail = format!(
        "{what}; configure server.admin_key (or EXPLAIND_SERVER__ADMIN_KEY), and send \
         Authorization: Bearer KEY"
    );
    Error::new(Code::Forbidden, detail)
}

/// The credentials of the scheme Bearer, whose name has no case.
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// Whether nobody else speaks through this connection: no proxy, and no page
/// in a browser here whose host's name was pointed at this machine.
fn is_local(parts: &Parts) -> bool {
    let host = parts.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    let hosts = host.into_iter().chain(parts.uri.authority().map(Authority::as_str));
    let mut hosts = hosts.map(|host| host.parse::<Authority>());
    let forwarded = FORWARDED.iter().any(|name| parts.headers.contains_key(*name));
    !forwarded && hosts.all(|host| host.is_ok_and(|host| is_loopback(host.host())))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A request by one who may.
pub struct Admin;

impl FromRequestParts<Service> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Failure> {
        service.guard.check(parts)?;
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn allowed(guard: &Guard, headers: &[(&str, &str)]) -> Result<(), Code> {
        let mut request = Request::delete("/models/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        guard.check(&parts).map_err(|error| error.code)
    }

    #[test]
    fn the_key_and_nothing_else() {
        let guard = Guard::Key(AdminKey::new("0123456789abcdef").unwrap());
        let with = |value| allowed(&guard, &[("authorization", value)]);
        assert_eq!(with("Bearer 0123456789abcdef"), Ok(()));
        assert_eq!(with("bearer  0123456789abcdef"), Ok(()));
        for wrong in ["Bearer 0123456789abcdeg", "Bearer ", "Bearer", "0123456789abcdef", "é", ""]
        {
            assert_eq!(with(wrong), Err(Code::Unauthorized), "{wrong}");
        }
        assert_eq!(allowed(&guard, &[("host", "127.0.0.1")]), Err(Code::Unauthorized));
    }

    #[test]
    fn without_a_key_only_this_machine() {
        for host in ["localhost:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080", "LOCALHOST"] {
            assert_eq!(allowed(&Guard::Loopback, &[("host", host)]), Ok(()), "{host}");
            assert_eq!(allowed(&Guard::Closed, &[("host", host)]), Err(Code::Forbidden));
            let through = [("host", host), ("x-forwarded-for", "192.0.2.1")];
            assert_eq!(allowed(&Guard::Loopback, &through), Err(Code::Forbidden));
        }
        for host in ["example.org", "127.0.0.1.example.org", "192.0.2.1:8080", "", "é", "a b"] {
            let result = allowed(&Guard::Loopback, &[("host", host)]);
            assert_eq!(result, Err(Code::Forbidden), "{host}");
        }
    }
}
