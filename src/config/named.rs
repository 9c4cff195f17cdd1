//! Reads and writes choices by their names, for serde's `with`.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::choice::Choice;

pub fn serialize<T: Choice, S: Serializer>(choice: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(choice.name())
}

pub fn deserialize<'de, T: Choice, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let name = Cow::<str>::deserialize(deserializer)?;
    T::named(&name).ok_or_else(|| D::Error::unknown_variant(&name, T::NAMES))
}
