//! POST /rules.

use axum::Json;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::estimate::EstimateResponse;
use super::super::inputs::{InputShape, InputsShape};
use super::super::openapi::WorkProblems;
use super::super::problem::{Failure, Problem};
use super::super::schemas::optional_name;
use super::super::shapes::{Name, OneOrMany, Plain, PlainOr};
use super::super::timeout::RequestTimeout;
use super::{Call, Common, FillObject, IntoQuery};
use crate::choice::{Choice, choices};
use crate::error::{Error, Result};
use crate::evidence::anchors::{Order, Rarity};
use crate::evidence::perturb::Absent;
use crate::evidence::rules::Rules;
use crate::evidence::{Query, anchors, surrogate_tree};
use crate::explainer::Explainer;
use crate::model::Model;
use crate::render::evidence::EvidenceResponse;
use crate::render::evidence::rules::RulesBody;

/// The body of POST /rules. Only `inputs` is required.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesRequest {
    /// An id of GET /models, or `auto` for the built-in model for the inputs'
    /// script; the first configured model by default.
    pub model: Option<String>,
    #[schema(value_type = InputsShape)]
    pub inputs: OneOrMany<InputShape>,
    /// `anchor`, the default: the smallest set of words that keeps the prediction. `tree`: a
    /// decision tree over the presence of words.
    #[schema(schema_with = optional_name::<RuleKind>, required = false)]
    pub kind: Option<Name<RuleKind>>,
    /// Anchors only: minimum share of texts with the anchor's words that keep the prediction;
    /// 0.95 by default.
    #[schema(minimum = 0.5, maximum = 1.0)]
    pub precision: Option<f64>,
    /// Replacement for absent words: `mask`, the model's mask token, which is the default if the
    /// model has one; `drop`, nothing; or a masked language model from which other words are
    /// sampled.
    #[schema(inline)]
    pub fill: Option<PlainOr<FillName, FillObject>>,
    /// Anchors only: try words by gradient times rarity (`gradient`, the default), or all words in
    /// text order (`text`), which takes more rows.
    #[schema(schema_with = optional_name::<Order>, required = false)]
    pub order: Option<Name<Order>>,
    /// Anchors only: maximum number of rows per input; 2000 by default.
    #[schema(minimum = 400, maximum = 20_000)]
    pub max_rows: Option<usize>,
    /// Trees only: number of training texts; 500 by default. Half as many more evaluate the tree.
    #[schema(minimum = 40, maximum = 10_000)]
    pub n_samples: Option<usize>,
    /// Trees only: maximum depth, the number of words tested per path; 4 by default.
    #[schema(minimum = 1, maximum = 4)]
    pub depth: Option<usize>,
    /// Truncates an input over the model's limit instead of rejecting it.
    pub truncate: Option<bool>,
    /// Seed of the random samples; the same seed gives the same result.
    #[schema(format = "uint64")]
    pub seed: Option<u64>,
    /// Time limit for the response in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    pub budget_ms: Option<u64>,
}

choices! {
    pub enum RuleKind { Anchor = "anchor", Tree = "tree" }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FillName {
    Mask,
    Drop,
}

impl Plain for FillName {
    const VALUES: &str = "\"mask\", \"drop\"";
}

/// Fields specific to one kind of rule, and whether each is set.
type KindFields<'a> = &'a [(&'static str, bool)];

impl IntoQuery for RulesRequest {
    type Kind = Rules;

    fn into_query(self, explainer: &Explainer) -> Result<Query<Rules>> {
        let Self { model, inputs, truncate, seed, budget_ms, .. } = self;
        let common = Common { model, inputs, truncate, seed, budget_ms };
        let question = common.into_question(explainer)?;
        let absent = absent(explainer, &question.model, self.fill)?;
        let of_anchors: KindFields<'_> = &[
            ("precision", self.precision.is_some()),
            ("order", self.order.is_some()),
            ("max_rows", self.max_rows.is_some()),
        ];
        let of_trees: KindFields<'_> =
            &[("n_samples", self.n_samples.is_some()), ("depth", self.depth.is_some())];
        let kind = match self.kind.map_or(RuleKind::Anchor, Name::value) {
            RuleKind::Anchor => {
                reject(of_trees, RuleKind::Tree)?;
                Rules::Anchor(anchors::Options {
                    precision: anchors::ENTRY.number("precision", self.precision)?,
                    absent,
                    order: self.order.map_or(Order::fitting(&question.model), Name::value),
                    rarity: explainer
                        .corpora
                        .ready(&question.model)
                        .map_or(Rarity::Rank, Rarity::Corpus),
                    max_rows: anchors::ENTRY.count("max_rows", self.max_rows)?,
                })
            }
            RuleKind::Tree => {
                reject(of_anchors, RuleKind::Anchor)?;
                Rules::Tree(surrogate_tree::Options {
                    absent,
                    n_samples: surrogate_tree::ENTRY.count("n_samples", self.n_samples)?,
                    depth: surrogate_tree::ENTRY.count("depth", self.depth)?,
                })
            }
        };
        Ok(Query { question, kind })
    }
}

fn absent(
    explainer: &Explainer,
    model: &Model,
    fill: Option<PlainOr<FillName, FillObject>>,
) -> Result<Absent> {
    Ok(match fill {
        None => Absent::fitting(model),
        Some(PlainOr::Plain(FillName::Mask)) => Absent::Mask,
        Some(PlainOr::Plain(FillName::Drop)) => Absent::Drop,
        Some(PlainOr::Object(object)) => Absent::Fill(object.filler(explainer)?),
    })
}

/// Rejects fields of the other kind.
fn reject(fields: KindFields<'_>, kind: RuleKind) -> Result<()> {
    match fields.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => {
            let detail = format!("{name} requires kind {:?}", kind.name());
            Err(Error::field(format!("/{name}"), detail))
        }
    }
}

evidence_routes! {
    /// Rules that hold around an input: an anchor, or a surrogate tree.
    ///
    /// An anchor is the smallest set of words that keeps the prediction when the other words are
    /// perturbed; its precision is included. A tree predicts the model's label around the input from
    /// the presence of words; its fidelity on held-out texts is included.
    pub async fn rules(RulesRequest) -> RulesBody;
    path = "/rules";
    estimate = "/estimate/rules", "estimate_rules";
    title = "Rules";
    results = "Rules, one list per input";
    example = ({"inputs": "This movie is really great."});
}
