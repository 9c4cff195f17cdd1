//! Output formats of a response.
//!
//! The reasons for the design: docs/concepts/rendering.md.

pub mod clean;
pub mod evidence;
pub mod json;
pub mod page;
pub mod paint;
mod pairs;
pub mod picture;
pub mod problems;
pub mod tensors;
pub mod terminal;

mod colour;
mod columns;
mod heat;
mod measures;
mod room;
mod rows;
mod sheet;
mod summary;
mod wording;
