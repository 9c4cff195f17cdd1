//! From `evaluate` to the measures that are taken.

use super::request::{EvaluateObject, MeasureUnit, ReplacementName, RuleName};
use super::shapes::{OneOrMany, PlainOr};
use crate::error::{Error, Result};
use crate::evaluation::{self, Rule, Settings};

/// The name that means every measure.
pub const ALL: &str = "all";

/// The most sizes of a rationale.
pub const MOST_THRESHOLDS: usize = 100;

type Shape = OneOrMany<PlainOr<String, EvaluateObject>>;

pub fn settings(shape: Shape) -> Result<Settings> {
    settle(shape).map_err(|error| error.within("/evaluate"))
}

fn settle(shape: Shape) -> Result<Settings> {
    let plain = |measures| Settings { measures, ..Settings::default() };
    match shape {
        OneOrMany::One(PlainOr::Plain(name)) => Ok(plain(named(&name, "")?)),
        OneOrMany::One(PlainOr::Parts(object)) => by_object(object),
        OneOrMany::Many(list) => {
            let names: Vec<&str> =
                list.iter().enumerate().map(plain_name).collect::<Result<_>>()?;
            Ok(plain(listed(names.into_iter(), "")?))
        }
    }
}

fn plain_name((place, shape): (usize, &PlainOr<String, EvaluateObject>)) -> Result<&str> {
    match shape {
        PlainOr::Plain(name) => Ok(name),
        PlainOr::Parts(_) => {
            let detail = "a list is of names; give one object alone";
            Err(Error::field(format!("/{place}"), detail))
        }
    }
}

fn by_object(object: EvaluateObject) -> Result<Settings> {
    let names = match object.measures {
        None => vec![ALL.to_owned()],
        Some(OneOrMany::One(name)) => vec![name],
        Some(OneOrMany::Many(names)) => names,
    };
    let measures = listed(names.iter().map(String::as_str), "/measures")?;
    let rule = match object.rule {
        None | Some(RuleName::Eraser) => Rule::Eraser,
        Some(RuleName::Ferret) => Rule::Ferret,
    };
    let unit = match (object.unit, rule) {
        (Some(MeasureUnit::Token), _) | (None, Rule::Ferret) => "token",
        (Some(MeasureUnit::Word), _) | (None, Rule::Eraser) => "word",
    };
    let replacement = match object.replacement {
        None | Some(ReplacementName::Remove) => "remove",
        Some(ReplacementName::Mask) => "mask",
        Some(ReplacementName::Pad) => "pad",
    };
    let thresholds = object.thresholds.map_or_else(|| Ok(rule.thresholds()), checked)?;
    Ok(Settings { measures, unit, replacement, rule, thresholds })
}

fn checked(thresholds: Vec<f64>) -> Result<Vec<f64>> {
    if thresholds.is_empty() || thresholds.len() > MOST_THRESHOLDS {
        let detail = format!("give 1 to {MOST_THRESHOLDS} thresholds");
        return Err(Error::field("/thresholds", detail));
    }
    let outside = |share: &f64| !(0. < *share && *share <= 1.);
    match thresholds.iter().position(outside) {
        None => Ok(thresholds),
        Some(place) => {
            let detail = "a threshold is a share of the units, over 0 and at most 1";
            Err(Error::field(format!("/thresholds/{place}"), detail))
        }
    }
}

/// Names of a list, whose pointers begin with `list`.
fn listed<'a>(names: impl Iterator<Item = &'a str>, list: &str) -> Result<Vec<&'static str>> {
    let mut measures = Vec::new();
    for (place, name) in names.enumerate() {
        let pointer = format!("{list}/{place}");
        let found = named(name, &pointer)?;
        if let Some(twice) = found.iter().find(|measure| measures.contains(*measure)) {
            return Err(Error::field(pointer, format!("{twice} is named twice")));
        }
        measures.extend(found);
    }
    Ok(measures)
}

fn named(name: &str, pointer: &str) -> Result<Vec<&'static str>> {
    if name == ALL {
        return Ok(evaluation::names().collect());
    }
    let found: Vec<&str> = evaluation::names().filter(|known| *known == name).collect();
    if found.is_empty() {
        let known: Vec<&str> = evaluation::names().collect();
        let detail = format!("no measure is called {name:?}; there is {ALL}, {}", known.join(", "));
        return Err(Error::field(pointer, detail));
    }
    Ok(found)
}
