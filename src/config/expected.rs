//! What serde expects, in words instead of Rust's types.

/// Rewrites serde's description of an expected value.
pub fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a non-negative integer",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        "a string" | "string" | "a borrowed string" => "a string",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" | "map" => "an object",
        "an array of length 2" | "a tuple of size 2" => "a list of two",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}
