//! The configuration of concepts.

use std::path::{Path, PathBuf};

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Concepts {
    /// Folder that concepts are kept in; without one, a restart forgets them. It need not exist.
    #[garde(inner(custom(is_folder)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

fn is_folder(path: &Path, _: &()) -> garde::Result {
    match path.exists() && !path.is_dir() {
        true => Err(garde::Error::new(format!("{} is not a directory", path.display()))),
        false => Ok(()),
    }
}
