//! Search steps that may have to stop early.

use crate::error::Result;

/// Why a search ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Time,
    /// It reached the limit of rows.
    Rows,
}

/// The result of a search step: an error, a reason to stop, or a value.
pub type Step<T> = Result<std::result::Result<T, Stop>>;

/// Like `?`, but for the inner result: returns from the enclosing [`Step`] on a [`Stop`].
macro_rules! go {
    ($step:expr) => {
        match $step {
            Ok(value) => value,
            Err(stop) => return Ok(Err(stop)),
        }
    };
}
pub(super) use go;
