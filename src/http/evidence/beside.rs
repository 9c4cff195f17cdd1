//! Evidence in POST /explain.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IntoKind;
use super::examples::ExamplesObject;
use crate::error::{Error, Result};
use crate::evidence::{self, Beside};
use crate::explainer::Explainer;
use crate::explanation::Finder;
use crate::model::Model;

/// Kinds of evidence to find for every input, each with the options of its own route.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceObject {
    /// What POST /examples returns for the input, with its options.
    #[schema(inline)]
    pub examples: Option<ExamplesObject>,
}

impl EvidenceObject {
    /// Validates the options of every kind. Another kind is one more field and element.
    pub fn finders(self, explainer: &Explainer, model: &Model) -> Result<Vec<Arc<dyn Finder>>> {
        let Self { examples } = self;
        let kinds = [finder("/evidence/examples", examples, explainer, model)?];
        Ok(kinds.into_iter().flatten().collect())
    }
}

/// Validates the options of one kind, which are at `pointer` of the request.
fn finder<O: IntoKind>(
    pointer: &str,
    options: Option<O>,
    explainer: &Explainer,
    model: &Model,
) -> Result<Option<Arc<dyn Finder>>> {
    let Some(options) = options else { return Ok(None) };
    // The model can be explained, but the kind does not suit it.
    let error_at = |error: Error| match error.pointer.as_deref() {
        Some("/model") => Error { pointer: Some(pointer.to_owned()), ..error },
        _ => error.within(pointer),
    };
    let kind = options.into_kind(explainer, model).and_then(|kind: O::Kind| {
        evidence::check(&kind, model)?;
        Ok(kind)
    });
    kind.map_err(error_at).map(|kind| Some(Arc::new(Beside(kind)) as Arc<dyn Finder>))
}
