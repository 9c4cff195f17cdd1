//! One error type for everything a caller can be told. It knows no HTTP:
//! `http::problem` gives each [`Code`] its status.

use std::fmt;

/// The codes, and the list of all of them.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident,)+) => {
        /// What went wrong, by the name that callers see in `code`.
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
    /// A checkpoint that cannot be loaded.
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
    /// The request is for a host that this service is not.
    MisdirectedRequest,
    RequestTooExpensive,
    ResponseTooLarge,
    Overloaded,
    /// Too much of other responses is waiting to be read.
    ResponsesUnsent,
    /// A key asks for more than its share.
    RateLimited,
    /// There was no answer in the time that the request had.
    DeadlineExceeded,
    /// The body did not arrive in time.
    RequestTimeout,
    NotReady,
    Draining,
    Internal,
}

/// An error with what to change (`detail`) and where (`pointer`, a JSON
/// pointer into the request's body).
#[derive(Debug, Clone, thiserror::Error)]
pub struct Error {
    pub code: Code,
    pub detail: String,
    pub pointer: Option<String>,
    /// Seconds after which a refused request may be sent again.
    pub retry_after: Option<u64>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), pointer: None, retry_after: None }
    }

    /// A field of the request that is not what it must be.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidField, detail).at(pointer)
    }

    /// A fault of the service. The cause goes to the log, never to the caller.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Code::Internal, cause.to_string())
    }

    /// Sets the pointer, unless a deeper floor already set one.
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer.get_or_insert_with(|| pointer.into());
        self
    }

    /// Puts `prefix` before the pointer: a floor that knows one input says
    /// `/text`, the floor that knows the list adds `/inputs/3`.
    pub fn within(mut self, prefix: &str) -> Self {
        let inner = self.pointer.take().unwrap_or_default();
        self.pointer = Some(format!("{prefix}{inner}"));
        self
    }
}

/// A name as one part of a JSON pointer (RFC 6901).
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
