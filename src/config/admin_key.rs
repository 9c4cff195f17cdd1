//! The key for loading and unloading models. Only its digest is kept, and it is never printed.

use std::fmt;

use figment::value::Value;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 digest of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminKey([u8; 32]);

/// Minimum length; shorter keys can be guessed.
const MIN_LENGTH: usize = 16;

impl AdminKey {
    pub fn new(key: &str) -> Result<Self, String> {
        match key.len() >= MIN_LENGTH && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(Sha256::digest(key).into())),
            false => Err(format!(
                "must have at least {MIN_LENGTH} characters: ASCII letters, digits and punctuation"
            )),
        }
    }

    /// Generates a key. Returns it and its text, which is not stored.
    pub fn generate() -> (Self, String) {
        let text = format!("{:032x}", rand::random::<u128>());
        (Self(Sha256::digest(&text).into()), text)
    }

    /// Whether `given` is the key, in constant time.
    pub fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(…)")
    }
}

impl<'de> Deserialize<'de> for AdminKey {
    /// Not derived, because serde's error messages would quote the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match <Value as Deserialize>::deserialize(deserializer)? {
            Value::String(_, key) => Self::new(&key).map_err(D::Error::custom),
            _ => Err(D::Error::custom("must be a string, in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_and_never_printed() {
        let key = AdminKey::new("correct-horse-battery").unwrap();
        assert!(key.is(b"correct-horse-battery"));
        for other in ["", "correct-horse-batterz", "correct-horse-battery "] {
            assert!(!key.is(other.as_bytes()), "{other:?}");
        }
        assert!(!format!("{key:?}").contains("horse"));
        let (key, text) = AdminKey::generate();
        assert!(key.is(text.as_bytes()) && AdminKey::new(&text) == Ok(key));
        assert_ne!(AdminKey::generate().1, text);
        assert!(AdminKey::new("short").is_err() && AdminKey::new(&"é".repeat(20)).is_err());
    }
}
