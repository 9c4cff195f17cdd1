//! The error type for everything that clients can be told, independent of HTTP:
//! `http::problem` maps each [`Code`] to a status.

use std::fmt;

/// Defines the codes and `Code::ALL`.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident,)+) => {
        /// The kind of error: `code` in responses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $code,)+
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$code),+];
        }
    };
}

codes! {
    BadRequest,
    InvalidJson,
    InvalidField,
    InputEmpty,
    InputTooLong,
    TargetNotFound,
    MethodNotSupported,
    ModelNotFound,
    CorpusNotFound,
    ConceptNotFound,
    /// The checkpoint cannot be loaded.
    ModelInvalid,
    ModelTooLarge,
    ModelLoading,
    TooManyModels,
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
    PayloadTooLarge,
    HeadersTooLarge,
    UriTooLong,
    /// The request is for a host that is not allowed.
    MisdirectedRequest,
    RequestTooExpensive,
    ResponseTooLarge,
    Overloaded,
    /// Too many bytes of other responses are unsent.
    ResponsesUnsent,
    /// A key exceeds its limits.
    RateLimited,
    /// The response was not ready before the deadline.
    DeadlineExceeded,
    /// The server that predicts a remote model failed.
    PredictorFailed,
    /// The body did not arrive in time.
    RequestTimeout,
    NotReady,
    Draining,
    Internal,
}

/// An error that says what to change (`detail`) and where (`pointer`, a JSON pointer into the
/// request's body).
#[derive(Debug, Clone, thiserror::Error)]
pub struct Error {
    pub code: Code,
    pub detail: String,
    pub pointer: Option<String>,
    /// Seconds after which to retry a rejected request.
    pub retry_after: Option<u64>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), pointer: None, retry_after: None }
    }

    /// Returns an error about an invalid field of the request.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidField, detail).at(pointer)
    }

    /// Returns an internal error. Its cause is logged, never sent to clients.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Code::Internal, cause.to_string())
    }

    /// Sets the pointer, unless a lower layer already set one.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer.get_or_insert_with(|| pointer.into());
        self
    }

    /// Prepends `prefix` to the pointer: a layer that handles one input sets `/text`, the layer
    /// that handles the list adds `/inputs/3`.
    pub fn within(mut self, prefix: &str) -> Self {
        let inner = self.pointer.take().unwrap_or_default();
        self.pointer = Some(format!("{prefix}{inner}"));
        self
    }
}

/// Escapes a name as one part of a JSON pointer (RFC 6901).
pub fn pointer_part(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Some(pointer) => write!(f, "{} (at {pointer})", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}
