//! Restricts the sources of models.

use std::fs;
use std::path::{Path, PathBuf};

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Source;

/// Allowed sources, besides built-in models.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// Folders that models and the files of corpora must be in; if empty, any folder is allowed.
    #[garde(inner(custom(is_folder)))]
    pub roots: Vec<PathBuf>,
    /// Models of the hub, `owner/name` or `owner/*`; if empty, any is allowed.
    #[garde(inner(custom(is_pattern)))]
    pub hub: Vec<String>,
}

impl Sources {
    /// Rejects sources that are not allowed. The error does not reveal whether they exist.
    pub fn check(&self, source: &Source) -> Result<(), String> {
        let allowed = match source {
            Source::Builtin(_) => true,
            Source::Directory(path) => self.roots.is_empty() || self.is_within(path),
            Source::Hub(repository) => {
                let id = repository.id();
                self.hub.is_empty() || self.hub.iter().any(|pattern| matches(pattern, id))
            }
        };
        match (allowed, source) {
            (true, _) => Ok(()),
            (false, Source::Hub(_)) => Err(format!("{source} is not in sources.hub")),
            (false, _) => Err(format!("{source} is not in a folder of sources.roots")),
        }
    }

    /// Rejects a data file outside of all roots, if there are any.
    pub fn check_file(&self, path: &Path) -> Result<(), String> {
        match self.roots.is_empty() || self.is_within(path) {
            true => Ok(()),
            false => Err(format!("{} is in no folder of sources.roots", path.display())),
        }
    }

    /// Whether the folder, with links resolved, is one of the roots or inside one.
    fn is_within(&self, path: &Path) -> bool {
        let Ok(path) = fs::canonicalize(path) else { return false };
        let mut roots = self.roots.iter().filter_map(|root| fs::canonicalize(root).ok());
        roots.any(|root| path.starts_with(root))
    }
}

fn matches(pattern: &str, id: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(owner) => id.split_once('/').is_some_and(|(other, _)| other == owner),
        None => pattern == id,
    }
}

fn is_folder(path: &Path, _: &()) -> garde::Result {
    match path.is_dir() {
        true => Ok(()),
        false => Err(garde::Error::new(format!("{} is not a directory", path.display()))),
    }
}

fn is_pattern(pattern: &str, _: &()) -> garde::Result {
    let plain = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !part.is_empty() && part.chars().all(allowed)
    };
    match pattern.split_once('/') {
        Some((owner, name)) if plain(owner) && (plain(name) || name == "*") => Ok(()),
        _ => Err(garde::Error::new("must be owner/name or owner/*")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_cannot_leave_the_roots() {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("a/b"), tempfile::tempdir().unwrap());
        fs::create_dir_all(&inside).unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(outside.path(), &link).unwrap();
        let sources = Sources { roots: vec![root.path().into()], ..Sources::default() };
        let check = |path: &Path| sources.check(&Source::Directory(path.into())).is_ok();
        assert!(check(&inside) && check(root.path()));
        assert!(!check(outside.path()) && !check(&link));
        assert!(!check(&inside.join("../../..")) && !check(&root.path().join("absent")));
        assert!(Sources::default().check(&Source::Directory(outside.path().into())).is_ok());
    }

    #[test]
    fn hub_models_match_by_name_or_owner() {
        let hub = vec!["us/*".to_owned(), "them/this-one".to_owned()];
        let sources = Sources { hub, ..Sources::default() };
        let check = |text: &str| sources.check(&text.parse().unwrap()).is_ok();
        assert!(
            check("hf:us/any") && check("hf:them/this-one@v1") && check("builtin:sentiment-en")
        );
        assert!(!check("hf:them/that-one") && !check("hf:usurper/any"));
    }
}
