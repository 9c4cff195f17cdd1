//! explaind explains what a BERT-family model did with a text: attention of
//! every layer and head, and gradient attributions, over HTTP.
//!
//! The modules below are listed from the ground up: each uses only those above
//! it. ARCHITECTURE.md in the repository tells more.

pub use explaind_compute::{backend, blocks, flow, random, rows};

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

pub mod model;

pub mod passes;

pub mod attribution;

pub mod evaluation;

pub mod explanation;

pub mod engine;

pub mod config;

mod attention;
mod tasks;
mod warnings;

pub mod explainer;

pub mod render;

pub mod report;

pub mod telemetry;

pub mod http;

pub mod app;
