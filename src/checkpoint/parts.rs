//! The parts of a checkpoint: the model, and optionally an adapter, the modules of
//! sentence-transformers, and a classifier after the embedding.

use std::sync::OnceLock;

use super::adapter::{Adapter, HINT};
use super::layout::{
    ADAPTER_CONFIG, CONFIG, HEAD_LAYOUTS, MODULES, OPTIONAL, PICKLED_HEAD, POOLING,
    SENTENCE_TRANSFORMER, SENTENCE_TRANSFORMERS, TOKENIZER, VOCABULARIES,
};
use super::sentence::{Modules, Sentence};
use super::weight_files::Owner;
use super::{Allowed, Cancellation, Checkpoint, LoadError, Location, Source};

/// Reads the small files of all parts.
pub fn gather(
    source: &Source,
    location: Location,
    allowed: &Allowed,
    cancellation: &Cancellation,
) -> Result<Checkpoint, LoadError> {
    let origin = source.to_string();
    let fail = |file: &str, reason: String| LoadError {
        origin: origin.clone(),
        file: file.to_owned(),
        reason,
    };
    let modules = modules(&location).map_err(|reason| fail(MODULES, reason))?;
    let location = match &modules {
        Some(Modules { transformer, .. }) if !transformer.is_empty() => {
            Location::Folder { name: transformer.clone(), parent: Box::new(location) }
        }
        _ => location,
    };
    let (location, adapter) = resolve_adapter(source, location, allowed, cancellation)
        .map_err(|reason| fail(ADAPTER_CONFIG, reason))?;
    let mut checkpoint = Checkpoint {
        origin: origin.clone(),
        location,
        cancellation: cancellation.clone(),
        small_files: Vec::new(),
        owners: vec![Owner::Model],
        weights: OnceLock::new(),
        sentence: None,
        adapter,
    };
    if checkpoint.adapter.is_some() {
        checkpoint.owners.push(Owner::Adapter);
    }
    checkpoint.read_required(CONFIG)?;
    read_tokenizer(&mut checkpoint)?;
    OPTIONAL.iter().try_for_each(|name| checkpoint.read_optional(*name))?;
    if let Some(modules) = modules {
        read_modules(&mut checkpoint, modules)?;
    }
    find_classifier(&mut checkpoint)?;
    Ok(checkpoint)
}

fn modules(location: &Location) -> Result<Option<Modules>, String> {
    if location.has(MODULES) {
        return Modules::read(&location.read(MODULES)?).map(Some);
    }
    let folder = POOLING.strip_suffix("/config.json").unwrap_or(POOLING);
    Ok(location.has(POOLING).then(|| Modules::pooling(folder)))
}

fn read_tokenizer(checkpoint: &mut Checkpoint) -> Result<(), LoadError> {
    let names = match checkpoint.has(TOKENIZER) {
        true => &[TOKENIZER],
        false => VOCABULARIES,
    };
    names.iter().try_for_each(|name| checkpoint.read_optional(*name))
}

fn read_modules(checkpoint: &mut Checkpoint, modules: Modules) -> Result<(), LoadError> {
    // As in the library, these need a modules.json.
    if checkpoint.has(MODULES) {
        checkpoint.read_optional(SENTENCE_TRANSFORMERS)?;
        SENTENCE_TRANSFORMER.iter().try_for_each(|name| checkpoint.read_optional(*name))?;
    }
    for module in &modules.after {
        checkpoint.read_optional(module.config())?;
        if module.has_weights() {
            checkpoint.owners.push(Owner::Module(module.folder.clone()));
        }
    }
    checkpoint.sentence = Some(Sentence::read(checkpoint, modules.after)?);
    Ok(())
}

/// Reads the adapter, if there is one, and combines its location with that of its base model.
fn resolve_adapter(
    source: &Source,
    location: Location,
    allowed: &Allowed,
    cancellation: &Cancellation,
) -> Result<(Location, Option<Adapter>), String> {
    if !location.has(ADAPTER_CONFIG) {
        return Ok((location, None));
    }
    let adapter = Adapter::read(&location.read(ADAPTER_CONFIG)?)?;
    // A complete model, with an adapter in the same folder.
    if location.has(CONFIG) {
        return Ok((location, Some(adapter)));
    }
    let base = adapter.base(source, allowed).and_then(|base| Location::of(&base, cancellation));
    let base = base.and_then(|base| match base.has(CONFIG) {
        true => Ok(base),
        false => Err(format!("it has no {CONFIG}")),
    });
    let base = base.map_err(|reason| {
        format!("this is a LoRA adapter, and its base model cannot be read: {reason}. Put the model there, or {HINT}")
    })?;
    Ok((Location::Adapter { own: Box::new(location), base: Box::new(base) }, Some(adapter)))
}

/// Finds an exported classifier. A pickled one is an error, because it is executable code.
fn find_classifier(checkpoint: &mut Checkpoint) -> Result<(), LoadError> {
    if HEAD_LAYOUTS.iter().any(|layout| checkpoint.has(layout.whole)) {
        checkpoint.owners.push(Owner::Classifier);
        return Ok(());
    }
    match checkpoint.has(PICKLED_HEAD) {
        false => Ok(()),
        true => Err(checkpoint.error(PICKLED_HEAD, EXPORT)),
    }
}

const EXPORT: &str = "a pickled scikit-learn classifier is code, which is not executed. Export its \
                      numbers: python -c \"import joblib, numpy; from safetensors.numpy import \
                      save_file; head = joblib.load('model_head.pkl'); save_file({'coef': \
                      numpy.ascontiguousarray(head.coef_), 'intercept': \
                      numpy.ascontiguousarray(head.intercept_)}, 'model_head.safetensors')\"; the \
                      names of its classes, in the order of head.classes_, are labels in \
                      config_setfit.json. Only load pickles that you trust";
