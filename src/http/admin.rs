//! Who may change what is served: whoever sends the admin key, wherever the
//! request comes from.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Service;
use super::problem::Failure;
use crate::config::{AdminKey, Server};
use crate::error::{Code, Error, Result};

/// The rule, from the configuration. Without a key, nobody may.
#[derive(Debug, Clone)]
pub struct Guard(Option<AdminKey>);

impl Guard {
    pub fn new(server: &Server) -> Self {
        Self(server.admin_key.clone())
    }

    /// Whether the request carries the admin key.
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
            (false, None) => Err(unauthorized("this needs the admin key")),
        }
    }
}

fn unauthorized(what: &str) -> Error {
    let detail = format!(
        "{what}; send Authorization: Bearer KEY with server.admin_key or, where none is \
         configured, the key that the service printed when it started"
    );
    Error::new(Code::Unauthorized, detail)
}

/// The credentials of the scheme Bearer, whose name has no case.
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// A request by one who may.
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
    fn the_key_and_nothing_else() {
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
    fn without_a_key_nobody() {
        let guard = Guard(None);
        for headers in [&[][..], &[("host", "localhost")], &[("authorization", "Bearer ")]] {
            assert_eq!(allowed(&guard, headers), Err(Code::Unauthorized), "{headers:?}");
        }
    }
}
