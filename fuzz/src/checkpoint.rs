//! Checkpoints that are loaded from a folder and used once.

use std::fs;

use explaind::blocks::Pooling;
use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use explaind::rows::Row;
use explaind::text::Input;
use explaind::text::tokenizer::Truncate;

/// Names and contents.
pub type File<'a> = (&'a str, &'a [u8]);

/// The files of a BERT with three numbers for a text: 3 KB, so that most of what
/// is changed is its description. fuzz/model/make.py made it.
pub const CONFIG: File<'static> = ("config.json", include_bytes!("../model/config.json"));
pub const WEIGHTS: File<'static> =
    ("model.safetensors", include_bytes!("../model/model.safetensors"));
pub const TOKENIZER: File<'static> = ("tokenizer.json", include_bytes!("../model/tokenizer.json"));
pub const TOKENIZER_CONFIG: File<'static> =
    ("tokenizer_config.json", include_bytes!("../model/tokenizer_config.json"));

/// Loads a checkpoint and runs it once, as the service's loader would, on texts
/// short and long. Says whether it was taken: a refusal is as good.
pub fn load(files: &[File<'_>]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, data) in files {
        fs::write(folder.path().join(name), data).expect("room for a file");
    }
    let source = Source::Directory(folder.path().to_owned());
    let Ok(model) = Model::load("fuzzed", &source, &Placement::default()) else { return false };
    for (text, pair) in [
        ("a good one", None),
        ("The good, and ab-ba 好 e\u{301} 😀", Some("a, b")),
        ("a b. good? [MASK] the a b. good? the a b. good? the a b. good? the", None),
    ] {
        run(&model, text, pair);
    }
    true
}

fn run(model: &Model, text: &str, pair: Option<&str>) {
    let input =
        Input { text: text.to_owned(), text_pair: pair.map(str::to_owned), ..Input::default() };
    let Ok(encoding) = model.encode(&input, Truncate::Yes) else { return };
    let reads: &[usize] = match model.pooling() {
        Pooling::Tokens => &[0],
        Pooling::Whole(_) => &[],
    };
    let outputs = model.run(&[Row::forward(encoding.ids, reads.into())]);
    assert_eq!(outputs.expect("the cpu never fails").len(), 1);
}
