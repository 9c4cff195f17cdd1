//! Options of methods in responses.

use serde::Serialize;
use utoipa::ToSchema;

/// The value of an option: a name, a number, `true` or `false`, or a text.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum OptionValue {
    Name(&'static str),
    #[schema(value_type = f64)]
    Number(Number),
    Boolean(bool),
    Text {
        text: String,
    },
}

/// Integers are written without a decimal point.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Number {
    Integer(u64),
    Real(f64),
}
