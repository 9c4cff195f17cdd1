//! The configuration of a corpus.

use std::path::{Path, PathBuf};

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::check_id;
use super::named;
use crate::checkpoint::source::BUILTINS;
use crate::choice::Choice;
use crate::corpus::{self, Store};
use crate::rows::StatePooling;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorpusEntry {
    /// The name of the corpus in requests.
    #[garde(custom(corpus_id))]
    pub id: String,
    /// A .jsonl, .tsv, .csv or .parquet file.
    #[garde(custom(corpus_file))]
    pub path: PathBuf,
    /// The id of the model that embeds the samples.
    #[garde(skip)]
    pub model: String,
    /// Layer whose hidden states are compared: 0 is the embedding block, -1 the last layer.
    #[garde(range(min = -1_000, max = 1_000))]
    #[serde(default = "last")]
    pub layer: i64,
    /// How the states of a text's tokens become one.
    #[garde(skip)]
    #[serde(with = "named", default)]
    #[schemars(with = "String", extend("enum" = StatePooling::NAMES))]
    pub pooling: StatePooling,
    /// Where the embedded samples are kept: a folder or a database; beside the file by default.
    #[garde(inner(custom(folder)))]
    #[serde(default, with = "store", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub store: Option<Store>,
}

/// A store as a string. It is written without the password of a database.
mod store {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Store;

    pub fn serialize<S: Serializer>(store: &Option<Store>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&store.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Store>, D::Error> {
        String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
    }
}

fn last() -> i64 {
    -1
}

pub(super) fn unique_ids(corpora: &[CorpusEntry], _: &()) -> garde::Result {
    for (index, corpus) in corpora.iter().enumerate() {
        if corpora[..index].iter().any(|other| other.id == corpus.id) {
            return Err(garde::Error::new(format!("the id {:?} is used twice", corpus.id)));
        }
    }
    Ok(())
}

/// Checks that `id` is a valid id of a corpus.
pub fn check_corpus_id(id: &str) -> Result<(), String> {
    check_id(id)?;
    match BUILTINS.iter().any(|builtin| builtin.name == id) {
        true => Err("is that of a built-in corpus".to_owned()),
        false => Ok(()),
    }
}

fn corpus_id(id: &str, _: &()) -> garde::Result {
    check_corpus_id(id).map_err(garde::Error::new)
}

fn corpus_file(path: &Path, _: &()) -> garde::Result {
    corpus::check_name(path).map_err(|error| garde::Error::new(error.to_string()))?;
    match path.is_file() {
        true => Ok(()),
        false => Err(garde::Error::new(format!("{} is not a file", path.display()))),
    }
}

/// Checks that the store is a database, a folder, or a path that does not exist.
fn folder(store: &Store, _: &()) -> garde::Result {
    match store {
        Store::Folder(path) if path.exists() && !path.is_dir() => {
            Err(garde::Error::new(format!("{} is not a directory", path.display())))
        }
        Store::Folder(_) | Store::Database(_) => Ok(()),
    }
}
