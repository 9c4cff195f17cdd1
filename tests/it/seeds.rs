//! The seeds of fuzz/, good ones and those that were findings once, played back
//! through the targets' own code.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Each seed is taken or refused without a panic; those that are called good are taken.
fn play(target: &str, run: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut good = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let taken = run(&fs::read(&path).unwrap());
        if path.file_name().unwrap().to_string_lossy().starts_with("good-") {
            assert!(taken, "{} is refused", path.display());
            good += 1;
        }
    }
    assert!(good > 0, "{target} has no good seed");
}

macro_rules! seeds {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            play(stringify!($target), targets::$target::run);
        })*
    };
}

seeds!(request config keys_file safetensors pickle tokenizer model_config);
