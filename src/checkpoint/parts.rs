//! What a checkpoint is made of: beside the model itself, modules after it, an adapter
//! to it, a classifier on what it gives.

use std::sync::OnceLock;

use super::adapter::{Adapter, HINT};
use super::layout::{
    ADAPTER_CONFIG, CONFIG, HEAD_LAYOUTS, MODULES, OPTIONAL, PICKLED_HEAD, POOLING,
    SENTENCE_TRANSFORMER, SENTENCE_TRANSFORMERS, TOKENIZER, VOCABULARIES,
};
use super::sentence::{Modules, Sentence};
use super::weight_files::Owner;
use super::{Allowed, Cancellation, Checkpoint, LoadError, Place, Source};

/// Reads the small files of every part.
pub fn gather(
    source: &Source,
    place: Place,
    allowed: &Allowed,
    cancellation: &Cancellation,
) -> Result<Checkpoint, LoadError> {
    let origin = source.to_string();
    let fail = |file: &str, reason: String| LoadError {
        origin: origin.clone(),
        file: file.to_owned(),
        reason,
    };
    let modules = modules(&place).map_err(|reason| fail(MODULES, reason))?;
    let place = match &modules {
        Some(Modules { transformer, .. }) if !transformer.is_empty() => {
            Place::Folder { name: transformer.clone(), around: Box::new(place) }
        }
        _ => place,
    };
    let (place, adapter) = adapted(source, place, allowed, cancellation)
        .map_err(|reason| fail(ADAPTER_CONFIG, reason))?;
    let mut checkpoint = Checkpoint {
        origin: origin.clone(),
        place,
        cancellation: cancellation.clone(),
        small: Vec::new(),
        owners: vec![Owner::Model],
        weights: OnceLock::new(),
        sentence: None,
        adapter,
    };
    if checkpoint.adapter.is_some() {
        checkpoint.owners.push(Owner::Adapter);
    }
    checkpoint.keep(CONFIG)?;
    keep_tokenizer(&mut checkpoint)?;
    OPTIONAL.iter().try_for_each(|name| checkpoint.keep_any(*name))?;
    if let Some(modules) = modules {
        keep_modules(&mut checkpoint, modules)?;
    }
    find_classifier(&mut checkpoint)?;
    Ok(checkpoint)
}

fn modules(place: &Place) -> Result<Option<Modules>, String> {
    if place.has(MODULES) {
        return Modules::read(&place.read(MODULES)?).map(Some);
    }
    let folder = POOLING.strip_suffix("/config.json").unwrap_or(POOLING);
    Ok(place.has(POOLING).then(|| Modules::pooling(folder)))
}

fn keep_tokenizer(checkpoint: &mut Checkpoint) -> Result<(), LoadError> {
    let names = match checkpoint.has(TOKENIZER) {
        true => &[TOKENIZER],
        false => VOCABULARIES,
    };
    names.iter().try_for_each(|name| checkpoint.keep_any(*name))
}

fn keep_modules(checkpoint: &mut Checkpoint, modules: Modules) -> Result<(), LoadError> {
    // The library reads the others only where there is a modules.json.
    if checkpoint.has(MODULES) {
        checkpoint.keep_any(SENTENCE_TRANSFORMERS)?;
        SENTENCE_TRANSFORMER.iter().try_for_each(|name| checkpoint.keep_any(*name))?;
    }
    for module in &modules.after {
        checkpoint.keep_any(module.config())?;
        if module.has_weights() {
            checkpoint.owners.push(Owner::Module(module.folder.clone()));
        }
    }
    checkpoint.sentence = Some(Sentence::read(checkpoint, modules.after)?);
    Ok(())
}

/// A place whose files an adapter changes, if it has one, and where the model itself is.
fn adapted(
    source: &Source,
    place: Place,
    allowed: &Allowed,
    cancellation: &Cancellation,
) -> Result<(Place, Option<Adapter>), String> {
    if !place.has(ADAPTER_CONFIG) {
        return Ok((place, None));
    }
    let adapter = Adapter::read(&place.read(ADAPTER_CONFIG)?)?;
    // A whole model with an adapter beside it.
    if place.has(CONFIG) {
        return Ok((place, Some(adapter)));
    }
    let base = adapter.base(source, allowed).and_then(|base| Place::of(&base, cancellation));
    let base = base.and_then(|base| match base.has(CONFIG) {
        true => Ok(base),
        false => Err(format!("it has no {CONFIG}")),
    });
    let base = base.map_err(|reason| {
        format!("this is a LoRA adapter, whose model cannot be read: {reason}. Put the model there, or {HINT}")
    })?;
    Ok((Place::Adapter { own: Box::new(place), base: Box::new(base) }, Some(adapter)))
}

/// A classifier that was exported; one that was pickled is code.
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

const EXPORT: &str = "a classifier of scikit-learn is a program, which is not run. Export its \
                      numbers: python -c \"import joblib, numpy; from safetensors.numpy import \
                      save_file; head = joblib.load('model_head.pkl'); save_file({'coef': \
                      numpy.ascontiguousarray(head.coef_), 'intercept': \
                      numpy.ascontiguousarray(head.intercept_)}, 'model_head.safetensors')\"; the \
                      names of its classes, in the order of head.classes_, are labels in \
                      config_setfit.json. Only load a pickle that you trust";
