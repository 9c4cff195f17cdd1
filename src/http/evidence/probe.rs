//! POST /probe.

use axum::Json;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::OneOfBuilder;

use super::super::estimate::EstimateResponse;
use super::super::inputs::{InputShape, InputsShape};
use super::super::openapi::WorkProblems;
use super::super::problem::{Failure, Problem};
use super::super::schemas::{PairShape, optional_names};
use super::super::shapes::{Name, OneOrMany, distinct};
use super::super::timeout::RequestTimeout;
use super::{Call, Common, IntoQuery};
use crate::choice::Choice;
use crate::error::{Error, Result};
use crate::evidence::Query;
use crate::evidence::identity::Group;
use crate::evidence::probe::{Change, Effects, Probe, Property, Terms};
use crate::explainer::Explainer;
use crate::render::evidence::EvidenceResponse;
use crate::render::evidence::probe::SwapsBody;

/// The body of POST /probe. Only `inputs` is required.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeRequest {
    /// An id of GET /models, or `auto` for the built-in model for the inputs'
    /// script; the first configured model by default.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// What to change: `identity` (the terms of `groups`), `case` (lower, upper and title case),
    /// `typos` (two neighbouring letters of a word), `punctuation` (at the end of the text),
    /// `synonyms`, `places`. By default `identity`, or only the `pairs` if there are any.
    #[schema(schema_with = optional_names::<Property>, required = false)]
    pub properties: Option<Vec<Name<Property>>>,
    /// Custom pairs of words or phrases, swapped in both directions.
    #[schema(value_type = Option<Vec<PairShape>>, example = json!([["he", "she"]]))]
    pub pairs: Option<Vec<[String; 2]>>,
    /// Built-in groups of English and Chinese terms of identity; all groups by default if
    /// `properties` has `identity`, or if both `properties` and `pairs` are absent.
    #[schema(schema_with = groups, required = false)]
    pub groups: Option<Vec<Name<Group>>>,
    /// Truncates an input over the model's limit instead of rejecting it.
    pub truncate: Option<bool>,
    /// Selects the typos, and the places that a place is swapped for.
    #[schema(format = "uint64")]
    pub seed: Option<u64>,
    /// Time limit for the response in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

/// The schema of `groups`, which needs its own description.
fn groups() -> OneOfBuilder {
    optional_names::<Group>().description(Some(
        "Built-in groups of English and Chinese terms of identity; all groups by default if \
         `properties` has `identity`, or if both `properties` and `pairs` are absent.",
    ))
}

impl IntoQuery for ProbeRequest {
    type Kind = Probe;

    fn into_query(self, explainer: &Explainer) -> Result<Query<Probe>> {
        let Self { model, inputs, truncate, seed, budget_ms, .. } = self;
        let common = Common { model, inputs, truncate, seed, budget_ms };
        let question = common.into_question(explainer)?;
        let most = explainer.limits.evidence_terms;
        let pairs = parse_pairs(self.pairs.as_deref().unwrap_or_default(), most)?;
        let properties = self.properties.map(|list| distinct(list, "properties")).transpose()?;
        let groups = self.groups.map(|list| distinct(list, "groups")).transpose()?;
        let changes = changes(pairs, properties, groups);
        let seed = question.seed;
        Ok(Query { question, kind: Probe { changes, seed, effects: Effects::PredictionAndScore } })
    }
}

/// Returns the changes to try. Groups and pairs that the caller names are always among them.
fn changes(
    pairs: Vec<Vec<String>>,
    properties: Option<Vec<Property>>,
    groups: Option<Vec<Group>>,
) -> Vec<Change> {
    let properties = properties.unwrap_or_else(|| match pairs.is_empty() && groups.is_none() {
        true => vec![Property::Identity],
        false => Vec::new(),
    });
    let identity =
        groups.or_else(|| properties.contains(&Property::Identity).then(|| Group::ALL.to_vec()));
    let pairs = (!pairs.is_empty()).then(|| Terms::of_caller(pairs));
    let identity = identity.map(|groups| Terms::of_groups(&groups));
    let others = properties.into_iter().filter(|property| *property != Property::Identity);
    let terms = pairs.into_iter().chain(identity).map(Change::Terms);
    terms.chain(others.map(Change::of)).collect()
}

/// Parses the custom pairs.
fn parse_pairs(pairs: &[[String; 2]], most: usize) -> Result<Vec<Vec<String>>> {
    if pairs.len() > most {
        let detail = format!("pairs has {} elements; the limit is {most}", pairs.len());
        return Err(Error::field("/pairs", detail));
    }
    let pair = |(index, pair): (usize, &[String; 2])| {
        let [a, b] = pair.each_ref().map(|term| term.trim().to_owned());
        match () {
            () if a.is_empty() || b.is_empty() => {
                Err(Error::field(format!("/pairs/{index}"), "the pair has an empty term"))
            }
            () if a == b => {
                Err(Error::field(format!("/pairs/{index}"), "the two terms must differ"))
            }
            () => Ok(vec![a, b]),
        }
    };
    pairs.iter().enumerate().map(pair).collect()
}

evidence_routes! {
    /// The effect on the prediction of changes that should not matter.
    ///
    /// All occurrences of each term in the text are replaced with each of its counterparts. Other
    /// `properties` change the case, misspell a word or change the final punctuation. Each swap says
    /// which property it tests.
    pub async fn probe(ProbeRequest) -> SwapsBody;
    path = "/probe";
    estimate = "/estimate/probe", "estimate_probe";
    title = "Effects of swaps";
    results = "Swaps, one list per input; flips first";
    example = ({"inputs": "He is a brilliant actor.", "groups": ["gender"]});
}
