//! The numeric core of explaind: the blocks that BERT-family models are made of, and
//! back ends that run them forward and backward.
//!
//! A crate of its own so that it is compiled once, optimised, and not again with every
//! change to the service above it. The modules are listed from the ground up.

pub mod random;
pub mod rows;

pub mod flow;

pub mod blocks;

pub mod backend;
