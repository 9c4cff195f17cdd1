//! POST /counterfactuals.

use axum::Json;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::estimate::EstimateResponse;
use super::super::inputs::{InputShape, InputsShape};
use super::super::openapi::WorkProblems;
use super::super::problem::{Failure, Problem};
use super::super::schemas::TextShape;
use super::super::shapes::OneOrMany;
use super::super::timeout::RequestTimeout;
use super::{Call, Common, FillObject, IntoQuery};
use crate::error::{Code, Error, Result};
use crate::evidence::Query;
use crate::evidence::counterfactuals::{Counterfactuals, ENTRY};
use crate::explainer::Explainer;
use crate::heads::Labels;
use crate::model::Model;
use crate::render::evidence::EvidenceResponse;
use crate::render::evidence::counterfactuals::FlipsBody;

/// The body of POST /counterfactuals. Only `inputs` is required.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterfactualsRequest {
    /// An id of GET /models, or `auto` for the built-in model for the inputs'
    /// script; the first configured model by default.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// Maximum number of counterfactuals per input; 3 by default.
    #[schema(minimum = 1, maximum = 20)]
    pub n: Option<usize>,
    /// Words and phrases that must not change, matched case-insensitively.
    #[schema(value_type = Option<Vec<TextShape>>)]
    pub keep: Option<Vec<String>>,
    /// The target label; by default any label other than the predicted one.
    pub to: Option<String>,
    /// Maximum number of changed words; by default a fifth of the text's words, at least 3 and
    /// at most 12.
    #[schema(minimum = 1, maximum = 32)]
    pub max_edits: Option<usize>,
    /// A masked language model that proposes replacement words; by default they are the nearest
    /// ones in the model's own embedding table.
    #[schema(inline)]
    pub fill: Option<FillObject>,
    /// Maximum number of rows per input; 2000 by default.
    #[schema(minimum = 100, maximum = 20_000)]
    pub max_rows: Option<usize>,
    /// Truncates an input over the model's limit instead of rejecting it.
    pub truncate: Option<bool>,
    /// Has no effect: the computation is deterministic.
    #[schema(format = "uint64")]
    pub seed: Option<u64>,
    /// Time limit for the response in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

impl IntoQuery for CounterfactualsRequest {
    type Kind = Counterfactuals;

    fn into_query(self, explainer: &Explainer) -> Result<Query<Counterfactuals>> {
        let Self { model, inputs, truncate, seed, budget_ms, .. } = self;
        let common = Common { model, inputs, truncate, seed, budget_ms };
        let question = common.into_question(explainer)?;
        let keep = self.keep.unwrap_or_default();
        if let Some(blank) = keep.iter().position(|phrase| phrase.trim().is_empty()) {
            return Err(Error::field(format!("/keep/{blank}"), "the phrase is empty"));
        }
        let most = explainer.limits.evidence_terms;
        if keep.len() > most {
            let detail = format!("keep has {} elements; the limit is {most}", keep.len());
            return Err(Error::field("/keep", detail));
        }
        let kind = Counterfactuals {
            n: ENTRY.count("n", self.n)?,
            keep,
            to: self.to.map(|label| label_index(&question.model, &label)).transpose()?,
            max_edits: ENTRY.integer("max_edits", self.max_edits)?,
            filler: self.fill.map(|object| object.filler(explainer)).transpose()?,
            max_rows: ENTRY.count("max_rows", self.max_rows)?,
        };
        Ok(Query { question, kind })
    }
}

/// Returns the index of the label with this name.
fn label_index(model: &Model, label: &str) -> Result<usize> {
    model.output_called(label).ok_or_else(|| {
        let known = match model.labels() {
            Labels::Named(names) => names.join(", "),
            Labels::Pieces(_) | Labels::Dimensions(_) => "no labels".to_owned(),
        };
        let detail = format!("{} has no label {label:?}; it has {known}", model.id);
        Error::new(Code::TargetNotFound, detail).at("/to")
    })
}

evidence_routes! {
    /// Counterfactuals: the smallest sets of word edits that flip the prediction.
    ///
    /// Words are deleted or replaced. Each text's prediction is verified, and reverting any of its
    /// edits undoes the flip. If none is found, the list is empty and `reason` says why.
    pub async fn counterfactuals(CounterfactualsRequest) -> FlipsBody;
    path = "/counterfactuals";
    estimate = "/estimate/counterfactuals", "estimate_counterfactuals";
    title = "Counterfactuals";
    results = "Texts with another predicted label, one list per input";
    example = ({"inputs": "This movie is really great."});
}
