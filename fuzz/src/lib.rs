//! Fuzz targets. None may panic, hang, or allocate memory that a file only claims to need.
//! scripts/fuzz runs the targets; `cargo test` runs the committed seeds. Each `run` function
//! returns whether the bytes were accepted.

pub mod config;
pub mod keys_file;
pub mod model_config;
pub mod pickle;
pub mod request;
pub mod safetensors;
pub mod tokenizer;

mod checkpoint;
