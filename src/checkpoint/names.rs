//! The different names of a tensor across checkpoints. Other modules use only the name in
//! the current transformers class that config.json names.

/// `base_model_prefix` of transformers classes: the attribute that holds the base model.
const BASE_PREFIXES: &[&str] =
    &["bert", "roberta", "distilbert", "electra", "albert", "deberta", "mpnet", "model"];

/// Prefixes of models that were saved inside a wrapper: torch.compile, data parallel training,
/// a module of the trainer, or combinations.
const WRAPPERS: &[&str] = &[
    "_orig_mod.",
    "module.",
    "model.",
    "_orig_mod.module.",
    "module._orig_mod.",
    "_orig_mod.model.",
    "model._orig_mod.",
    "module.model.",
    "model.module.",
];

/// Returns the spellings of `name`, most likely first: as given; without or with the base
/// model's prefix, which only checkpoints with a head have; these with the old names of
/// layer norm parameters; then all of them with each wrapper prefix.
pub fn spellings(name: &str) -> impl Iterator<Item = String> {
    let bare: Vec<String> = unwrapped(name).collect();
    let inner = bare.clone();
    let wrapped = move |wrapper: &&str| {
        let prefixed = |name: &String| format!("{wrapper}{name}");
        inner.iter().map(prefixed).collect::<Vec<_>>()
    };
    bare.into_iter().chain(WRAPPERS.iter().flat_map(wrapped))
}

fn unwrapped(name: &str) -> impl Iterator<Item = String> {
    let bare = BASE_PREFIXES.iter().find_map(|base| name.strip_prefix(base)?.strip_prefix('.'));
    let prefixed = BASE_PREFIXES.iter().map(move |base| format!("{base}.{name}"));
    let prefixed = prefixed.take(if bare.is_some() { 0 } else { BASE_PREFIXES.len() });
    let current = [name].into_iter().chain(bare).map(str::to_owned).chain(prefixed);
    let current: Vec<String> = current.collect();
    let old: Vec<String> = current.iter().filter_map(|name| old_norm(name)).collect();
    current.into_iter().chain(old)
}

/// Returns TensorFlow's name for a layer norm parameter: `….LayerNorm.gamma` for `.weight`.
fn old_norm(name: &str) -> Option<String> {
    let (owner, parameter) = name.rsplit_once('.')?;
    let module = owner.rsplit('.').next()?;
    let old = match parameter {
        "weight" => "gamma",
        "bias" => "beta",
        _ => return None,
    };
    module.to_ascii_lowercase().contains("norm").then(|| format!("{owner}.{old}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str) -> Vec<String> {
        unwrapped(name).collect()
    }

    #[test]
    fn wrapped_names_come_last() {
        let found: Vec<String> = spellings("bert.x.weight").collect();
        assert_eq!(found[..2], ["bert.x.weight", "x.weight"]);
        for name in ["_orig_mod.bert.x.weight", "module._orig_mod.x.weight", "model.bert.x.weight"]
        {
            assert!(found.contains(&name.to_owned()), "{name}");
        }
    }

    #[test]
    fn base_prefix_is_optional() {
        let name = "bert.pooler.dense.weight";
        assert_eq!(all(name), [name, "pooler.dense.weight"]);
        let found = all("encoder.layer.0.x");
        assert_eq!(found[0], "encoder.layer.0.x");
        assert!(found.contains(&"roberta.encoder.layer.0.x".to_owned()));
        assert!(!all("bertha.x").contains(&"ha.x".to_owned()));
    }

    #[test]
    fn only_norms_have_old_names() {
        let found = all("bert.embeddings.LayerNorm.weight");
        assert_eq!(found.last().unwrap(), "embeddings.LayerNorm.gamma");
        assert!(!all("classifier.weight").iter().any(|name| name.contains("gamma")));
    }
}
