//! `evaluate`: which measures to take, and their settings.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{Array, ArrayBuilder};

use super::schemas::{named, names, number, one_of, optional_name, shape};
use super::shapes::{Name, OneOrMany, PlainOr};
use crate::attribution::perturbation::{ReplacementKind, UnitKind};
use crate::error::{Error, Result};
use crate::evaluation::{self, Rule, Settings};

/// The name that selects all measures.
pub const ALL: &str = "all";

/// Maximum number of rationale sizes.
pub const MAX_THRESHOLDS: usize = 100;

shape! {
    /// The measures and their settings.
    EvaluateShape [MeasuresShape, EvaluateObject]
    one_of("Measures, or an object with measures and settings.")
        .item(named::<MeasuresShape>())
        .item(named::<EvaluateObject>())
}

/// Settings of the measures.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateObject {
    /// `"all"` (default) or names.
    #[schema(value_type = Option<MeasuresShape>)]
    pub measures: Option<OneOrMany<String>>,
    /// The unit to remove; `word` by default, or `token` for the rule `ferret`.
    #[schema(inline)]
    pub unit: Option<MeasureUnit>,
    /// How units are removed; `remove` by default.
    #[schema(schema_with = optional_name::<ReplacementKind>, required = false)]
    pub replacement: Option<Name<ReplacementKind>>,
    /// Which units form a rationale. `eraser` (default): the highest scores, rounded up to whole
    /// units. `ferret`: rounded down, and only positive scores.
    #[schema(schema_with = optional_name::<Rule>, required = false)]
    pub rule: Option<Name<Rule>>,
    /// Sizes of the rationales, as fractions of the units. The default depends on the rule.
    #[schema(value_type = Option<ThresholdsShape>)]
    pub thresholds: Option<Vec<f64>>,
}

/// The units that measures can remove. Methods can also remove sentences and spans.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MeasureUnit {
    Token,
    Word,
}

shape! {
    /// One or several measures.
    MeasuresShape [MeasureName]
    one_of("One measure, or a list of them.")
        .item(named::<MeasureName>())
        .item(Array::new(named::<MeasureName>()))
}

shape! {
    /// The names of all measures, and the name for all of them.
    MeasureName []
    names([ALL].into_iter().chain(evaluation::names()))
        .description(Some("The name of a measure, or `all`."))
}

shape! {
    /// Sizes of rationales.
    ThresholdsShape []
    ArrayBuilder::new()
        .items(number().exclusive_minimum(Some(0_usize)).maximum(Some(1_usize)).build())
        .min_items(Some(1))
        .max_items(Some(MAX_THRESHOLDS))
        .description(Some("Fractions of the units."))
}

type Shape = OneOrMany<PlainOr<String, EvaluateObject>>;

pub fn settings(shape: Shape) -> Result<Settings> {
    parse(shape).map_err(|error| error.within("/evaluate"))
}

fn parse(shape: Shape) -> Result<Settings> {
    let plain = |measures| Settings { measures, ..Settings::default() };
    match shape {
        OneOrMany::One(PlainOr::Plain(name)) => Ok(plain(find(&name, "")?)),
        OneOrMany::One(PlainOr::Object(object)) => from_object(object),
        OneOrMany::Many(list) => {
            let names: Vec<&str> =
                list.iter().enumerate().map(plain_name).collect::<Result<_>>()?;
            Ok(plain(from_list(names.into_iter(), "")?))
        }
    }
}

fn plain_name((index, shape): (usize, &PlainOr<String, EvaluateObject>)) -> Result<&str> {
    match shape {
        PlainOr::Plain(name) => Ok(name),
        PlainOr::Object(_) => {
            let detail = "a list contains only names; send an object without a list";
            Err(Error::field(format!("/{index}"), detail))
        }
    }
}

fn from_object(object: EvaluateObject) -> Result<Settings> {
    let names = match object.measures {
        None => vec![ALL.to_owned()],
        Some(OneOrMany::One(name)) => vec![name],
        Some(OneOrMany::Many(names)) => names,
    };
    let measures = from_list(names.iter().map(String::as_str), "/measures")?;
    let rule = object.rule.map_or(Rule::Eraser, Name::value);
    let unit = match (object.unit, rule) {
        (Some(MeasureUnit::Token), _) | (None, Rule::Ferret) => UnitKind::Token,
        (Some(MeasureUnit::Word), _) | (None, Rule::Eraser) => UnitKind::Word,
    };
    let replacement = object.replacement.map_or(ReplacementKind::Remove, Name::value);
    let thresholds = object.thresholds.map_or_else(|| Ok(rule.thresholds()), check_thresholds)?;
    Ok(Settings { measures, unit, replacement, rule, thresholds })
}

fn check_thresholds(thresholds: Vec<f64>) -> Result<Vec<f64>> {
    if thresholds.is_empty() || thresholds.len() > MAX_THRESHOLDS {
        let detail = format!(
            "thresholds must have 1 to {MAX_THRESHOLDS} elements, not {}",
            thresholds.len()
        );
        return Err(Error::field("/thresholds", detail));
    }
    let outside = |fraction: &f64| !(0. < *fraction && *fraction <= 1.);
    match thresholds.iter().position(outside) {
        None => Ok(thresholds),
        Some(index) => {
            let detail = format!(
                "thresholds[{index}] must be a fraction of the units, above 0 and at most 1, not {}",
                thresholds[index],
            );
            Err(Error::field(format!("/thresholds/{index}"), detail))
        }
    }
}

/// Parses a list of names; `list` is its JSON pointer.
fn from_list<'a>(names: impl Iterator<Item = &'a str>, list: &str) -> Result<Vec<&'static str>> {
    let mut measures = Vec::new();
    for (index, name) in names.enumerate() {
        let pointer = format!("{list}/{index}");
        let found = find(name, &pointer)?;
        if let Some(twice) = found.iter().find(|measure| measures.contains(*measure)) {
            return Err(Error::field(pointer, format!("{twice} is named twice")));
        }
        measures.extend(found);
    }
    Ok(measures)
}

fn find(name: &str, pointer: &str) -> Result<Vec<&'static str>> {
    if name == ALL {
        return Ok(evaluation::names().collect());
    }
    let found: Vec<&str> = evaluation::names().filter(|known| *known == name).collect();
    if found.is_empty() {
        let known: Vec<&str> = evaluation::names().collect();
        let detail =
            format!("no measure is called {name:?}; available: {ALL}, {}", known.join(", "));
        return Err(Error::field(pointer, detail));
    }
    Ok(found)
}
