//! How one tensor is called in different checkpoints. The only place that
//! knows: whoever asks for a tensor uses the name that transformers gives it
//! today, in the class that config.json names.

/// The names under which transformers' classes keep the model below their
/// head (`base_model_prefix`).
const BASES: &[&str] =
    &["bert", "roberta", "distilbert", "electra", "albert", "deberta", "mpnet", "model"];

/// What is before every name where the model was saved inside of something: by
/// torch.compile, by data parallel training, as a field of a trainer's module, or one
/// inside of the other.
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

/// The spellings of `name`, the likeliest first: as it is; without or with the
/// base model's prefix, which a base model saved alone lacks and its head's
/// checkpoint has; each of them with a layer norm's old parameter names; and all
/// of these behind a wrapper's name.
pub fn spellings(name: &str) -> impl Iterator<Item = String> {
    let bare: Vec<String> = unwrapped(name).collect();
    let inside = bare.clone();
    let behind = move |wrapper: &&str| {
        let named = |name: &String| format!("{wrapper}{name}");
        inside.iter().map(named).collect::<Vec<_>>()
    };
    bare.into_iter().chain(WRAPPERS.iter().flat_map(behind))
}

fn unwrapped(name: &str) -> impl Iterator<Item = String> {
    let bare = BASES.iter().find_map(|base| name.strip_prefix(base)?.strip_prefix('.'));
    let prefixed = BASES.iter().map(move |base| format!("{base}.{name}"));
    let prefixed = prefixed.take(if bare.is_some() { 0 } else { BASES.len() });
    let places = [name].into_iter().chain(bare).map(str::to_owned).chain(prefixed);
    let places: Vec<String> = places.collect();
    let old: Vec<String> = places.iter().filter_map(|name| old_norm(name)).collect();
    places.into_iter().chain(old)
}

/// `….LayerNorm.weight` as TensorFlow called it: `….LayerNorm.gamma`.
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
    fn wrappers_come_last() {
        let found: Vec<String> = spellings("bert.x.weight").collect();
        assert_eq!(found[..2], ["bert.x.weight", "x.weight"]);
        for name in ["_orig_mod.bert.x.weight", "module._orig_mod.x.weight", "model.bert.x.weight"]
        {
            assert!(found.contains(&name.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_prefix_comes_and_goes() {
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
