//! Configuration files.

use std::fs;

use explaind::config::Config;

pub fn run(data: &[u8]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("explaind.toml");
    fs::write(&file, data).expect("the file is written");
    let read = Config::read(Some(&file));
    match &read {
        Ok(config) => assert!(config.check().is_ok(), "the configuration is invalid: {config:?}"),
        Err(errors) => assert!(!errors.0.is_empty(), "the list of errors is empty"),
    }
    read.is_ok()
}
