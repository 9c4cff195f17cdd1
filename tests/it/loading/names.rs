//! Alternative tensor names in checkpoints.

use std::collections::HashMap;

use candle_core::Tensor;
use explaind::checkpoint::{Cancellation, Checkpoint, Source, Weights};

use super::{copy, load, logits, with_tensors};

type Tensors = HashMap<String, Tensor>;

/// Asserts that the model is the same after renaming its tensors.
fn renamed(rename: impl Fn(String) -> String) {
    let folder = copy();
    let before = logits(&load(folder.path()).unwrap());
    with_tensors(folder.path(), |tensors| {
        let old = std::mem::take(tensors);
        tensors.extend(old.into_iter().map(|(name, tensor)| (rename(name), tensor)));
    });
    assert_eq!(logits(&load(folder.path()).unwrap()), before);
}

#[test]
fn model_prefixes_are_optional() {
    renamed(|name| name.strip_prefix("bert.").unwrap_or(&name).to_owned());
}

#[test]
fn heads_may_have_the_model_prefix() {
    renamed(|name| match name.starts_with("classifier") {
        true => format!("bert.{name}"),
        false => name,
    });
}

#[test]
fn wrapper_prefixes_are_ignored() {
    for wrapper in ["_orig_mod.", "module.", "model.", "module._orig_mod."] {
        renamed(|name| format!("{wrapper}{name}"));
        renamed(|name| format!("{wrapper}{}", name.trim_start_matches("bert.")));
    }
}

#[test]
fn layer_norms_may_be_named_gamma_and_beta() {
    let old = |name: String| match name.contains("LayerNorm") {
        true => name.replace("weight", "gamma").replace("bias", "beta"),
        false => name,
    };
    renamed(old);
    renamed(|name| old(name).trim_start_matches("bert.").to_owned());
}

#[test]
fn unused_tensors_are_listed() {
    let folder = copy();
    let add = |tensors: &mut Tensors| {
        let spare = tensors["classifier.bias"].clone();
        tensors.insert("cls.spare".to_owned(), spare.clone());
        tensors.insert("embeddings.LayerNorm.gamma".to_owned(), spare);
        tensors.remove("bert.embeddings.LayerNorm.weight");
    };
    with_tensors(folder.path(), add);
    let checkpoint =
        Checkpoint::read(&Source::Directory(folder.path().to_owned()), &Cancellation::default())
            .unwrap();
    let weights = Weights::read(&checkpoint).unwrap();
    assert!(weights.has("bert.embeddings.LayerNorm.weight"));
    assert!(!weights.has("bert.embeddings.LayerNorm.scale"));
    let stored = weights.tensor("bert.embeddings.LayerNorm.weight", &[3]).unwrap();
    assert_eq!(stored.name, "embeddings.LayerNorm.gamma");
    // A tied tensor is requested twice.
    assert!(weights.tensor("classifier.bias", &[3]).is_ok());
    assert!(weights.tensor("classifier.bias", &[3]).is_ok());
    let error = weights.tensor("bert.nothing.weight", &[3]).unwrap_err().to_string();
    assert!(error.contains("model.safetensors") && error.contains("bert.nothing.weight"));
    let unused = weights.unused();
    assert!(unused.contains(&"cls.spare".to_owned()));
    assert!(!unused.contains(&"classifier.bias".to_owned()));
    assert!(!unused.contains(&"embeddings.LayerNorm.gamma".to_owned()));
}
