//! Renders probes: swaps and their effects.

use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::super::clean::clean;
use super::super::paint::{Colours, line};
use super::counterfactuals::EditBody;
use super::{LabelBody, Show};
use crate::choice::Choice;
use crate::evidence::predictor::prediction;
use crate::evidence::probe::{self, Property, Swap, Swaps};
use crate::model::Model;

/// The swaps of one input.
#[derive(Serialize, ToSchema)]
pub struct SwapsBody {
    /// Flips first, then by absolute probability shift, largest first.
    swaps: Vec<SwapBody>,
    /// Why the list is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The number of swaps left out: at most 64 are made per input.
    left_out: usize,
}

/// A change of the text, and its effect.
#[derive(Serialize, ToSchema)]
pub struct SwapBody {
    /// What the change tests.
    #[schema(schema_with = property_names)]
    property: &'static str,
    /// Which change of the property it is: `lower`, `upper` or `title` for `case`; `added`,
    /// `removed` or `doubled` for `punctuation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
    /// The changed part as it occurs in the text; the whole text for a change of case.
    from: String,
    to: String,
    text: String,
    edits: Vec<EditBody>,
    prediction: LabelBody,
    /// Probability of the input's label after the swap minus before.
    probability_shift: f32,
    /// Score of the swapped words (integrated gradients of that label's logit) after the swap
    /// minus before.
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution_shift: Option<f32>,
    /// Whether the label differs from that of the input.
    flipped: bool,
}

impl Show for Swaps {
    type Json = SwapsBody;

    fn json(&self, model: &Model) -> SwapsBody {
        let swap = |swap: &Swap| SwapBody {
            property: swap.property,
            variant: swap.variant,
            from: swap.from.clone(),
            to: swap.to.clone(),
            text: swap.text.clone(),
            edits: swap.edits.iter().map(Into::into).collect(),
            prediction: (&prediction(model, &swap.verdict)).into(),
            probability_shift: swap.probability_shift as f32,
            attribution_shift: swap.attribution_shift.map(|shift| shift as f32),
            flipped: swap.flipped,
        };
        SwapsBody {
            swaps: self.swaps.iter().map(swap).collect(),
            reason: reason(self),
            left_out: self.left_out,
        }
    }

    fn page(&self, model: &Model) -> Markup {
        html! {
            @if let Some(reason) = reason(self) { p { (super::rules::sentence(reason)) } }
            @if !self.swaps.is_empty() {
                table {
                    caption.xp-num { "Swaps" }
                    thead { tr {
                        @for name in ["property", "swap", "label", "probability", "shift", "shift of its score", ""] {
                            th scope="col" { (name) }
                        }
                    } }
                    tbody {
                        @for swap in &self.swaps {
                            tr {
                                td { (swap.property) }
                                th scope="row" { bdi { (what(swap)) } }
                                td { bdi { (model.label(swap.verdict.label)) } }
                                td.xp-n { (format!("{:.3}", swap.verdict.probability())) }
                                td.xp-n { (format!("{:+.3}", swap.probability_shift)) }
                                td.xp-n {
                                    @if let Some(shift) = swap.attribution_shift {
                                        (format!("{shift:+.3}"))
                                    }
                                }
                                td { @if swap.flipped { strong { "flipped" } } }
                            }
                        }
                    }
                }
            }
        }
    }

    fn terminal(&self, out: &mut String, colours: Colours, model: &Model) {
        if let Some(reason) = reason(self) {
            line(out, format_args!("{}", super::rules::sentence(reason)));
        }
        let bold = colours.bold();
        for swap in &self.swaps {
            let what = clean(&what(swap));
            let label = clean(&model.label(swap.verdict.label));
            let flipped = if swap.flipped { "  flipped" } else { "" };
            line(
                out,
                format_args!(
                    "{bold}{what}{bold:#}  {label} {:.3} ({:+.3}){flipped}",
                    swap.verdict.probability(),
                    swap.probability_shift
                ),
            );
        }
    }
}

/// Names a swap, such as `he → she` or `upper case`.
pub fn what(swap: &Swap) -> String {
    match swap.variant {
        Some(case) if swap.property == Property::Case.name() => format!("{case} case"),
        Some("added") => format!("{} added", swap.to),
        Some(variant) => format!("{} {variant}", swap.from.trim()),
        None => format!("{} → {}", swap.from, swap.to),
    }
}

fn property_names() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(probe::property_names()))
        .build()
}

fn reason(swaps: &Swaps) -> Option<&'static str> {
    match (swaps.swaps.is_empty(), swaps.finished) {
        (true, true) => Some("the text contains nothing to change"),
        (true, false) => Some("time ran out before any swap"),
        (false, _) => None,
    }
}
