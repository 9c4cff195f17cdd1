//! A file of weights as `torch.save` writes it, in an archive or as it did before.

use super::checkpoint::{self, CONFIG, TOKENIZER, TOKENIZER_CONFIG};

pub fn run(data: &[u8]) -> bool {
    checkpoint::load(&[CONFIG, TOKENIZER, TOKENIZER_CONFIG, ("pytorch_model.bin", data)])
}
