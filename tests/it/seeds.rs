//! Runs the seeds of fuzz/, valid inputs and former findings, through the fuzz targets.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// No seed may panic, and those named `good-*` must be accepted.
fn replay(target: &str, run: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut good = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let accepted = run(&fs::read(&path).unwrap());
        if path.file_name().unwrap().to_string_lossy().starts_with("good-") {
            assert!(accepted, "{} is rejected", path.display());
            good += 1;
        }
    }
    assert!(good > 0, "{target} has no good seed");
}

macro_rules! seeds {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), targets::$target::run);
        })*
    };
}

seeds!(request config keys_file safetensors pickle tokenizer model_config);
