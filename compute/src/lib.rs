//! The numeric core of explaind: the blocks that BERT-family models consist of, and back ends that
//! run them forward and backward.
//!
//! A separate crate, so that it is compiled once, optimised, and not rebuilt when the service
//! above it changes. The modules are listed bottom-up.

pub mod random;
pub mod rows;

pub mod flow;

pub mod shapley;

pub mod blocks;

pub mod backend;

pub mod nearest;
