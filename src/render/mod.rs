//! An answer in the forms that callers read.

pub mod json;

pub mod terminal;
