//! The kinds of evidence in GET /methods.

use serde::Serialize;
use utoipa::ToSchema;

use crate::attribution::OptionKind;
use crate::evidence::{Entry, OptionSpec, Takes};
use crate::render::json;

/// One kind of evidence.
#[derive(Serialize, ToSchema)]
pub struct KindInfo {
    name: &'static str,
    #[schema(example = "/examples")]
    route: &'static str,
    summary: &'static str,
    /// The publications.
    paper: &'static str,
    /// Cost per input.
    #[schema(example = "at most max_rows forward rows, 4 gradient rows")]
    rows: &'static str,
    /// The options of the route, besides `model`, `inputs`, `truncate`, `seed` and `budget_ms`.
    options: Vec<KindOption>,
}

/// One option of a kind of evidence.
#[derive(Serialize, ToSchema)]
pub struct KindOption {
    name: &'static str,
    /// Description of the allowed values.
    #[schema(example = "an integer from 1 to 20")]
    takes: String,
    /// The allowed names.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<&'static [&'static str]>,
    /// Absent if there is none, or if it depends on the model or the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<json::OptionValue>,
    help: &'static str,
}

impl KindInfo {
    pub fn new(entry: &Entry) -> Self {
        Self {
            name: entry.name,
            route: entry.route,
            summary: entry.summary,
            paper: entry.paper,
            rows: entry.cost_note,
            options: entry.options.iter().map(KindOption::new).collect(),
        }
    }
}

impl KindOption {
    fn new(spec: &OptionSpec) -> Self {
        Self {
            name: spec.name,
            takes: spec.takes.expects(),
            choices: match spec.takes {
                Takes::Kind(OptionKind::Choice(names)) => Some(names),
                Takes::Kind(_) | Takes::Described(_) => None,
            },
            default: spec.default.map(|preset| json::option(&preset.value())),
            help: spec.help,
        }
    }
}
