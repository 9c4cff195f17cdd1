//! The name of a model on the hub: `owner/name[@revision]`.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`, or `name` alone for the oldest models.
    id: String,
    /// A branch, tag or commit; `None` is the branch main.
    revision: Option<String>,
}

impl Repository {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// The id without its owner.
    pub fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the name of its folder in the cache.
    pub fn folder(&self) -> String {
        format!("models--{}", self.id.replace('/', "--"))
    }
}

/// Whether the hub allows this as a name. Such names are safe in paths and URLs.
fn is_plain(part: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !part.is_empty() && part.len() <= 96 && part.chars().all(allowed) && !part.starts_with('.')
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision.to_owned())),
            None => (text, None),
        };
        if id.split('/').count() > 2 || !id.split('/').all(is_plain) || id.contains("--") {
            return Err(format!("{id:?} is not a model of the hub; use hf:owner/name[@revision]"));
        }
        match &revision {
            Some(revision) if !revision.split('/').all(is_plain) => {
                Err(format!("{revision:?} is not a branch, tag or commit"))
            }
            _ => Ok(Self { id: id.to_owned(), revision }),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.id)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for text in ["owner/name", "name", "o/n@v1.0", "o/n@refs/pr/3", "a-b/c_d.e@main"] {
            let repository: Repository = text.parse().unwrap();
            assert_eq!(repository.to_string(), format!("hf:{text}"));
        }
        let repository: Repository = "o/n@refs/pr/3".parse().unwrap();
        assert_eq!(repository.revision(), "refs/pr/3");
        assert_eq!((repository.name(), repository.folder()), ("n", "models--o--n".to_owned()));
    }

    #[test]
    fn unsafe_names_are_rejected() {
        for text in
            ["", "/", "a/", "a/b/c", "../a", "a/..", "a b", "a/b?c", "a--b/c", "a/b@", "a/b@../c"]
        {
            assert!(text.parse::<Repository>().is_err(), "{text:?}");
        }
    }
}
