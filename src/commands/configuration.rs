//! `explaind check-config`, `explaind settings` and `explaind hash-key`.

use std::io::{self, Write};
use std::path::PathBuf;

use super::shared::Failure;
use crate::config::{self, Config, keys};

/// Succeeds if the configuration is valid.
pub fn check_config(file: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::read(file.as_deref())?;
    writeln!(io::stdout(), "the configuration is valid: {} models", config.models.len())?;
    Ok(())
}

/// Prints docs/reference/configuration.md.
pub fn settings() -> Result<(), Failure> {
    write!(io::stdout(), "{}", config::markdown())?;
    Ok(())
}

/// Prints the digest of the key on standard input.
pub fn hash_key() -> Result<(), Failure> {
    let mut key = String::new();
    io::stdin().read_line(&mut key)?;
    let key = key.trim();
    if key.len() < 16 {
        return Err("a key must have at least 16 characters; shorter ones can be guessed".into());
    }
    writeln!(io::stdout(), "{}", keys::digest(key))?;
    Ok(())
}
