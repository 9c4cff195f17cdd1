//! A configuration file.

use std::fs;

use explaind::config::Config;

pub fn run(data: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("explaind.toml");
    fs::write(&file, data).expect("room for a file");
    let read = Config::read(Some(&file));
    match &read {
        Ok(config) => assert!(config.check().is_ok(), "what was read is not good: {config:?}"),
        Err(errors) => assert!(!errors.0.is_empty(), "nothing is said to be wrong"),
    }
    read.is_ok()
}
