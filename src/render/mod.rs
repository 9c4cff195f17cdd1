//! An answer in the forms that callers read.

pub mod json;
pub mod page;
pub mod picture;
pub mod problems;
pub mod tensors;
pub mod terminal;

mod clean;
mod colour;
mod columns;
mod heat;
mod measures;
mod room;
mod rows;
mod sheet;
mod wording;
