//! Tokenizer files; the first byte selects the file.

use super::checkpoint::{self, CONFIG, File, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS};

const VOCAB_TXT: File<'static> = ("vocab.txt", include_bytes!("../model/vocab.txt"));
const VOCAB_JSON: File<'static> = ("vocab.json", include_bytes!("../model/vocab.json"));
const MERGES: File<'static> = ("merges.txt", include_bytes!("../model/merges.txt"));

/// The fuzzed file, and the other files of the checkpoint.
const FILES: [(&str, &[File<'static>]); 9] = [
    ("tokenizer.json", &[TOKENIZER_CONFIG]),
    ("tokenizer_config.json", &[TOKENIZER]),
    ("vocab.txt", &[TOKENIZER_CONFIG]),
    ("tokenizer_config.json", &[VOCAB_TXT]),
    ("special_tokens_map.json", &[VOCAB_TXT]),
    ("added_tokens.json", &[VOCAB_TXT]),
    ("vocab.json", &[MERGES]),
    ("merges.txt", &[VOCAB_JSON]),
    ("tokenizer_config.json", &[VOCAB_JSON, MERGES]),
];

pub fn run(data: &[u8]) -> bool {
    let Some((&kind, content)) = data.split_first() else { return false };
    // Seeds begin with a digit.
    let (name, others) = FILES[usize::from(kind.wrapping_sub(b'0')) % FILES.len()];
    let files = [&[CONFIG, WEIGHTS, (name, content)][..], others].concat();
    checkpoint::load(&files)
}
