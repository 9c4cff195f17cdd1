//! explaind explains what a BERT-family model did with a text: attention of
//! every layer and head, and gradient attributions, over HTTP.
//!
//! ARCHITECTURE.md in the repository says how the modules stand on each other;
//! the list below runs from the ground up.

pub mod error;
pub mod rows;

pub mod kernels;

pub mod checkpoint;
pub mod encoder;

pub mod architectures;
pub mod heads;

pub mod text;

pub mod model;

pub mod passes;

pub mod attribution;
pub mod explanation;

pub mod engine;

mod attention;
pub mod explainer;
mod target;

pub mod config;
pub mod telemetry;

pub mod http;
pub mod render;

pub mod app;
