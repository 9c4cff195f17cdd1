//! Loads a checkpoint from a folder and runs it.

use std::fs;

use explaind::blocks::Pooling;
use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use explaind::rows::Row;
use explaind::text::Input;
use explaind::text::tokenizer::Truncate;

/// Name and content.
pub type File<'a> = (&'a str, &'a [u8]);

/// The files of a tiny BERT with three labels, by fuzz/model/make.py. Its weights have only 3 KB,
/// so that most mutations affect the description of the tensors.
pub const CONFIG: File<'static> = ("config.json", include_bytes!("../model/config.json"));
pub const WEIGHTS: File<'static> =
    ("model.safetensors", include_bytes!("../model/model.safetensors"));
pub const TOKENIZER: File<'static> = ("tokenizer.json", include_bytes!("../model/tokenizer.json"));
pub const TOKENIZER_CONFIG: File<'static> =
    ("tokenizer_config.json", include_bytes!("../model/tokenizer_config.json"));

/// Loads a checkpoint like the service and runs it on short and long texts. Returns whether it was
/// loaded: an error is fine too.
pub fn load(files: &[File<'_>]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, data) in files {
        fs::write(folder.path().join(name), data).expect("the file is written");
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
