//! Named API keys. The configuration and key files have only their digests.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::files;

/// The prefix of a digest.
const PREFIX: &str = "sha256:";

/// Maximum bytes of a key file, about 50,000 keys. The file may be replaced by a larger one
/// while the service runs.
pub const LARGEST: u64 = 8 << 20;

/// A name and the digest of its key, as `NAME:sha256:HEX`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamedKey {
    pub name: String,
    digest: [u8; 32],
}

/// Returns the digest of a key in the form of the configuration: `sha256:HEX`.
pub fn digest(key: &str) -> String {
    format_digest(&Sha256::digest(key))
}

fn format_digest(digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{hex}")
}

impl NamedKey {
    /// Whether `given` is the digest of the key, in constant time.
    fn is(&self, given: &[u8; 32]) -> Choice {
        self.digest.ct_eq(given)
    }
}

impl TryFrom<String> for NamedKey {
    type Error = String;

    /// Errors never quote the text, which may be a key.
    fn try_from(text: String) -> Result<Self, String> {
        let invalid = || "a key is NAME:sha256:HEX; explaind hash-key prints the digest".to_owned();
        let (name, rest) = text.split_once(':').ok_or_else(invalid)?;
        // from_str_radix also accepts a sign.
        let is_hex = |hex: &&str| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let hex = rest.strip_prefix(PREFIX).filter(is_hex).ok_or_else(invalid)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err("a key's name has 1 to 64 letters, digits, '-', '_' and '.'".to_owned());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        Ok(Self { name: name.to_owned(), digest })
    }
}

impl From<NamedKey> for String {
    fn from(key: NamedKey) -> Self {
        format!("{}:{}", key.name, format_digest(&key.digest))
    }
}

impl fmt::Display for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Returns the key that `given` matches. Always compares with all keys.
pub fn find<'a>(keys: impl Iterator<Item = &'a NamedKey>, given: &[u8]) -> Option<&'a NamedKey> {
    let given: [u8; 32] = Sha256::digest(given).into();
    keys.fold(None, |found, key| if key.is(&given).into() { Some(key) } else { found })
}

/// Reads a key file: one key per line; empty lines and lines that start with # are skipped.
pub fn read(file: &Path) -> Result<Vec<NamedKey>, String> {
    let fail = |error: io::Error| format!("{}: {error}", file.display());
    parse(file, &files::read(file, LARGEST).map_err(fail)?)
}

/// Parses the content of a key file.
pub fn parse(file: &Path, content: &[u8]) -> Result<Vec<NamedKey>, String> {
    let path = file.display();
    let content = str::from_utf8(content).map_err(|error| format!("{path}: {error}"))?;
    let lines = content.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let fail = |error| format!("{path}, line {}: {error}", number + 1);
            NamedKey::try_from(line.to_owned()).map_err(fail)
        })
        .collect()
}

/// Rejects duplicate names.
pub fn unique_names(keys: &[NamedKey], _: &()) -> garde::Result {
    let mut names = HashSet::new();
    match keys.iter().find(|key| !names.insert(&key.name)) {
        None => Ok(()),
        Some(key) => Err(garde::Error::new(format!("two keys are called {key}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn key(name: &str, secret: &str) -> NamedKey {
        NamedKey::try_from(format!("{name}:{}", digest(secret))).unwrap()
    }

    #[test]
    fn a_key_is_found_by_its_secret() {
        let keys = [key("app", "first-secret"), key("batch", "second-secret")];
        let name = |given| find(keys.iter(), given).map(|key| key.name.as_str());
        assert_eq!([name(b"first-secret"), name(b"second-secret")], [Some("app"), Some("batch")]);
        assert!(name(b"third-secret").is_none() && find([].iter(), b"").is_none());
        assert_eq!(NamedKey::try_from(String::from(keys[0].clone())), Ok(keys[0].clone()));
    }

    #[test]
    fn invalid_digests_are_rejected_and_not_printed() {
        for text in
            ["app:hunter2-hunter2", "hunter2", ":sha256:00", "a b:sha256:hunter2", "app:sha256:zz"]
        {
            let error = NamedKey::try_from(text.to_owned()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn files_have_one_key_per_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, format!("# ours\n\napp:{}\n", digest("secret"))).unwrap();
        assert_eq!(read(&path).unwrap(), [key("app", "secret")]);
        fs::write(&path, "app:secret").unwrap();
        assert!(read(&path).unwrap_err().contains("line 1"));
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(read(&path).unwrap_err().contains("larger than"));
    }
}
