//! Weights in safetensors format.

use super::checkpoint::{self, CONFIG, TOKENIZER, TOKENIZER_CONFIG};

pub fn run(data: &[u8]) -> bool {
    checkpoint::load(&[CONFIG, TOKENIZER, TOKENIZER_CONFIG, ("model.safetensors", data)])
}
