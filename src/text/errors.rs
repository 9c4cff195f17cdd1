//! Errors about the texts of a request.

use crate::error::{Code, Error};

/// Returns the error of a text that is empty, or without something that it needs.
pub fn empty(pointer: &str, problem: &str) -> Error {
    Error::new(Code::InputEmpty, format!("{} {problem}", field_path(pointer))).at(pointer)
}

/// Converts a JSON pointer to the usual notation: `/inputs/3/text` to `inputs[3].text`.
pub fn field_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(index) => path += &format!("[{index}]"),
            Err(_) if path.is_empty() => path += part,
            Err(_) => path += &format!(".{part}"),
        }
    }
    path
}
