//! explaind explains predictions of BERT-family models over HTTP: attributions, and the
//! attention of every layer and head.
//!
//! The modules are listed from the bottom up: each uses only those listed before it. See
//! ARCHITECTURE.md in the repository.

pub use explaind_compute::{backend, blocks, flow, nearest, random, rows, shapley};

pub mod choice;
pub mod error;
mod files;
mod memory_limit;
mod pace;
pub mod script;

pub mod checkpoint;

pub mod encoder;

pub mod architectures;

pub mod heads;

pub mod text;

pub mod remote;

pub mod model;

pub mod corpus;

pub mod passes;

pub mod attribution;

pub mod evaluation;

pub mod explanation;

pub mod concepts;

pub mod engine;

pub mod config;

mod attention;
mod tasks;
mod warnings;

mod inside;

pub mod explainer;

pub mod evidence;

pub mod render;

pub mod report;

pub mod telemetry;

pub mod http;

pub mod batch;

pub mod app;

pub mod capacity;

pub mod commands;
