//! Integration tests of the library, of the HTTP API in-process, and of the binary.

// Clippy allows panics only in test functions; helpers panic too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod binary;
mod compute;
mod connections;
mod device;
mod engine;
mod few_outputs;
mod golden;
mod heads;
mod hostile;
mod house;
mod http;
mod hub_configs;
mod int8;
mod loading;
mod methods;
mod neighbours;
mod parts;
#[cfg(feature = "pgvector")]
mod pgvector;
mod promises;
mod published;
mod sampling;
mod seeds;
mod simulation;
mod support;
mod words;
