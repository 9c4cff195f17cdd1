//! Weights in the formats of `torch.save`: zip archive or legacy.

use super::checkpoint::{self, CONFIG, TOKENIZER, TOKENIZER_CONFIG};

pub fn run(data: &[u8]) -> bool {
    checkpoint::load(&[CONFIG, TOKENIZER, TOKENIZER_CONFIG, ("pytorch_model.bin", data)])
}
