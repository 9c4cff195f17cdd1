//! Keys files.

use std::fs;

use explaind::config::{NamedKey, keys};

pub fn run(data: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys");
    fs::write(&file, data).expect("the file is written");
    let Ok(keys) = keys::read(&file) else { return false };
    for key in keys {
        let written = String::from(key.clone());
        assert_eq!(NamedKey::try_from(written.clone()), Ok(key), "{written}");
    }
    true
}
