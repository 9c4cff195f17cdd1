//! The admin key, which is required to change the served models, wherever a request comes from.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Service;
use super::problem::Failure;
use crate::config::{AdminKey, Server};
use crate::error::{Code, Error, Result};

/// Checks the admin key. Without a configured key, everything is rejected.
#[derive(Debug, Clone)]
pub struct Guard(Option<AdminKey>);

impl Guard {
    pub fn new(server: &Server) -> Self {
        Self(server.admin_key.clone())
    }

    /// Whether the request has the admin key.
    pub fn is_admin(&self, headers: &HeaderMap) -> bool {
        match (&self.0, bearer(headers)) {
            (Some(key), Some(given)) => key.is(given),
            _ => false,
        }
    }

    fn check(&self, headers: &HeaderMap) -> Result<()> {
        match (self.is_admin(headers), bearer(headers)) {
            (true, _) => Ok(()),
            (false, Some(_)) => Err(unauthorized("the key is not the admin key")),
            (false, None) => Err(unauthorized("the admin key is required")),
        }
    }
}

fn unauthorized(what: &str) -> Error {
    let detail = format!(
        "{what}; send Authorization: Bearer KEY with server.admin_key or, if none is configured, \
         with the key that the service printed at startup"
    );
    Error::new(Code::Unauthorized, detail)
}

/// The credentials of the scheme Bearer, whose name is case-insensitive.
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// Extractor that succeeds only with the admin key.
pub struct Admin;

impl FromRequestParts<Service> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Failure> {
        service.guard.check(&parts.headers)?;
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
        guard.check(&parts.headers).map_err(|error| error.code)
    }

    #[test]
    fn only_the_key_is_accepted() {
        let guard = Guard(Some(AdminKey::new("0123456789abcdef").unwrap()));
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
    fn without_a_configured_key_nothing_is_accepted() {
        let guard = Guard(None);
        for headers in [&[][..], &[("host", "localhost")], &[("authorization", "Bearer ")]] {
            assert_eq!(allowed(&guard, headers), Err(Code::Unauthorized), "{headers:?}");
        }
    }
}
