//! `explaind methods` and `explaind models`.

use std::io::{self, Write};
use std::path::PathBuf;

use super::shared::Failure;
use crate::attribution::METHODS;
use crate::attribution::options::Preset;
use crate::config::Config;

/// Prints each method with its summary, and its options with allowed values and defaults.
pub fn methods() -> Result<(), Failure> {
    let mut out = io::stdout();
    for method in METHODS {
        writeln!(out, "{}\n  {}", method.name, method.summary)?;
        for option in method.options {
            let default = match option.default {
                Preset::Name(name) => name.to_owned(),
                Preset::Integer(number) => number.to_string(),
                Preset::Number(number) => number.to_string(),
                Preset::Boolean(value) => value.to_string(),
            };
            writeln!(out, "  {}: {}; {default}", option.name, option.kind.expects())?;
        }
    }
    Ok(())
}

/// Prints each configured model with its source.
pub fn models(file: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::read(file.as_deref())?;
    let width = config.models.iter().map(|model| model.id.len()).max().unwrap_or_default();
    let mut out = io::stdout();
    for model in &config.models {
        writeln!(out, "{:width$}  {}", model.id, model.source)?;
    }
    Ok(())
}
