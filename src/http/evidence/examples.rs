//! POST /examples.

use std::sync::Arc;

use axum::Json;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::estimate::EstimateResponse;
use super::super::inputs::{InputShape, InputsShape};
use super::super::openapi::WorkProblems;
use super::super::problem::{Failure, Problem};
use super::super::schemas::optional_name;
use super::super::shapes::{Name, OneOrMany};
use super::super::timeout::RequestTimeout;
use super::{Call, Common, IntoKind, IntoQuery};
use crate::corpus::{Similarity, states};
use crate::error::{Error, Result};
use crate::evidence::Query;
use crate::evidence::examples::{Examples, NEIGHBOURS};
use crate::explainer::Explainer;
use crate::model::Model;
use crate::render::evidence::EvidenceResponse;
use crate::render::evidence::examples::ExamplesBody;

/// The body of POST /examples. Only `inputs` is required.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExamplesRequest {
    /// An id of GET /models, or `auto` for the built-in model for the inputs'
    /// script; the first configured model by default.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// Number of neighbours, at most limits.neighbours; 5 by default.
    #[schema(minimum = 1)]
    pub k: Option<usize>,
    /// `cosine`, the default: cosine of the hidden states of the corpus's layer. `gradient`: cosine
    /// of the loss gradients at the embeddings; the nearest samples support the prediction
    /// for the same words.
    #[schema(schema_with = optional_name::<Similarity>, required = false)]
    pub similarity: Option<Name<Similarity>>,
    /// An id of GET /corpora; the model's first corpus by default.
    pub corpus: Option<String>,
    /// Truncates an input over the model's limit instead of rejecting it.
    pub truncate: Option<bool>,
    /// Has no effect: the computation is deterministic.
    #[schema(format = "uint64")]
    pub seed: Option<u64>,
    /// Time limit for the response in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

/// What POST /examples returns for the input, with its options.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExamplesObject {
    /// Number of neighbours, at most limits.neighbours; 5 by default.
    #[schema(minimum = 1)]
    pub k: Option<usize>,
    /// `cosine` (default) or `gradient`.
    #[schema(schema_with = optional_name::<Similarity>, required = false)]
    pub similarity: Option<Name<Similarity>>,
    /// An id of GET /corpora; the model's first corpus by default.
    pub corpus: Option<String>,
}

impl IntoQuery for ExamplesRequest {
    type Kind = Examples;

    fn into_query(self, explainer: &Explainer) -> Result<Query<Examples>> {
        let Self { model, inputs, k, similarity, corpus, truncate, seed, budget_ms } = self;
        let common = Common { model, inputs, truncate, seed, budget_ms };
        let question = common.into_question(explainer)?;
        let options = ExamplesObject { k, similarity, corpus };
        let kind = options.into_kind(explainer, &question.model)?;
        Ok(Query { question, kind })
    }
}

impl IntoKind for ExamplesObject {
    type Kind = Examples;

    fn into_kind(self, explainer: &Explainer, model: &Model) -> Result<Examples> {
        states::check(model)?;
        let k = self.k.unwrap_or(NEIGHBOURS);
        let most = explainer.limits.neighbours;
        if !(1..=most).contains(&k) {
            return Err(Error::field(
                "/k",
                format!("k must be an integer from 1 to {most}, not {k}"),
            ));
        }
        let corpora = Arc::clone(&explainer.corpora);
        let corpus = corpora.get(self.corpus.as_deref(), model)?;
        let similarity = self.similarity.map_or(Similarity::Cosine, Name::value);
        Ok(Examples { corpora, corpus, similarity, k })
    }
}

evidence_routes! {
    /// The labelled samples of a corpus that are most similar to an input.
    ///
    /// The response has the nearest samples with the model's prediction for each, the nearest sample
    /// that contradicts the input's prediction, if any, and how typical the input is of the corpus.
    /// The search is exact.
    pub async fn examples(ExamplesRequest) -> ExamplesBody;
    path = "/examples";
    estimate = "/estimate/examples", "estimate_examples";
    title = "Examples";
    results = "Samples, one list per input";
    example = ({"inputs": "This movie is really great."});
}
