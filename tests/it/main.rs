//! Tests from outside: the library, the HTTP surface in-process, the binary.

// Helpers outside of test functions may panic too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod binary;
mod compute;
mod connections;
mod engine;
mod golden;
mod hostile;
mod house;
mod http;
mod hub_configs;
mod loading;
mod methods;
mod promises;
mod seeds;
mod simulation;
mod support;
mod words;
