//! What each target does with its bytes: nothing of it may panic, take memory
//! that a file only claims to need, or never end. scripts/fuzz runs the targets;
//! `cargo test` plays the committed seeds back through the same code. Each says
//! whether it took the bytes.

pub mod config;
pub mod keys_file;
pub mod model_config;
pub mod pickle;
pub mod request;
pub mod safetensors;
pub mod tokenizer;

mod checkpoint;
