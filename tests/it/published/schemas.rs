//! Whether values of one schema can be used where the other is expected.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

/// What clients do with values of a schema.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// They send them: what was accepted must still be.
    Request,
    /// They read them: what they find must be as described. They ignore fields and names that they
    /// do not know.
    Response,
}

pub struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    /// Pairs of references that are being compared, or were found to be compatible.
    compared: HashSet<(String, String, Way)>,
    pub found: Vec<String>,
}

impl<'a> Comparison<'a> {
    pub fn new(old: &'a Value, new: &'a Value) -> Self {
        Self { old, new, compared: HashSet::new(), found: Vec::new() }
    }

    /// Compares two schemas and adds what is incompatible to `found`.
    pub fn compare(&mut self, place: &str, old: &Value, new: &Value, way: Way) {
        let name = |schema: &Value| schema["$ref"].as_str().map(str::to_owned);
        let Some(pair) = name(old).zip(name(new)).map(|(old, new)| (old, new, way)) else {
            return self.resolved(place, old, new, way);
        };
        if !self.compared.insert(pair.clone()) {
            return;
        }
        let before = self.found.len();
        self.resolved(place, old, new, way);
        if self.found.len() > before {
            self.compared.remove(&pair);
        }
    }

    fn resolved(&mut self, place: &str, old: &Value, new: &Value, way: Way) {
        let (old, new) = (flat(self.old, old), flat(self.new, new));
        let (olds, news) = (alternatives(self.old, &old), alternatives(self.new, &new));
        match (&olds[..], &news[..]) {
            ([old], [new]) => self.plain(place, old, new, way),
            _ => self.union(place, &olds, &news, way),
        }
    }

    /// Each alternative of the side that values come from must fit one of the other.
    fn union(&mut self, place: &str, olds: &[Schema], news: &[Schema], way: Way) {
        let unfit = match way {
            Way::Request => {
                olds.iter().position(|old| !news.iter().any(|new| self.fits(old, new, way)))
            }
            Way::Response => {
                news.iter().position(|new| !olds.iter().any(|old| self.fits(old, new, way)))
            }
        };
        let Some(unfit) = unfit else { return };
        let place = format!("{place}, alternative {unfit}");
        match (olds.get(unfit), news.get(unfit)) {
            (Some(old), Some(new)) => self.plain(&place, old, new, way),
            _ => self
                .found
                .push(format!("{place}: there was no such alternative, or there is none now")),
        }
    }

    /// Whether one alternative can be used where the other is expected.
    fn fits(&mut self, old: &Schema, new: &Schema, way: Way) -> bool {
        let before = self.found.len();
        self.plain("", old, new, way);
        let fits = self.found.len() == before;
        self.found.truncate(before);
        fits
    }

    fn plain(&mut self, place: &str, old: &Schema, new: &Schema, way: Way) {
        let mut fail = |what: &str| self.found.push(format!("{place}: {what}"));
        if !match way {
            Way::Request => types_include(new, old),
            Way::Response => types_include(old, new),
        } {
            return fail("another type");
        }
        if !names_remain(old, new) {
            fail("other names");
        }
        if way == Way::Request && is_narrower(old, new) {
            fail("a narrower range");
        }
        let missing = match way {
            Way::Request => required(new).difference(&required(old)).next().cloned(),
            Way::Response => required(old).difference(&required(new)).next().cloned(),
        };
        match (missing, way) {
            (Some(name), Way::Request) => fail(&format!("{name} is required")),
            (Some(name), Way::Response) => fail(&format!("{name} may be missing")),
            (None, _) => {}
        }
        for (name, schema) in object(old, "properties") {
            let place = format!("{place}.{name}");
            match object(new, "properties").get(&name) {
                None => self.found.push(format!("{place} is gone")),
                Some(other) => self.compare(&place, &schema, other, way),
            }
        }
        for inner in ["items", "additionalProperties"] {
            match (old.get(inner), new.get(inner)) {
                (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                    self.compare(&format!("{place}[]"), old, new, way);
                }
                (old, new) if old == new || new.is_none() && way == Way::Request => {}
                _ => self.found.push(format!("{place}: other {inner}")),
            }
        }
    }
}

type Schema = Map<String, Value>;

/// A schema without references, with the parts of `allOf` merged.
fn flat(description: &Value, schema: &Value) -> Schema {
    let mut fields = schema.as_object().cloned().unwrap_or_default();
    let reference = fields.remove("$ref");
    let target = reference.as_ref().and_then(Value::as_str).map(|reference| {
        let pointer = reference.trim_start_matches('#');
        description.pointer(pointer).unwrap_or_else(|| panic!("no {reference}"))
    });
    let parts = fields.remove("allOf");
    let parts = parts.as_ref().and_then(Value::as_array).into_iter().flatten();
    target.into_iter().chain(parts).fold(fields, |mut merged, part| {
        for (name, value) in flat(description, part) {
            match (merged.get_mut(&name), value) {
                (Some(Value::Object(all)), Value::Object(more)) => all.extend(more),
                (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
                (Some(_), _) => {}
                (None, value) => drop(merged.insert(name, value)),
            }
        }
        merged
    })
}

/// The alternatives of a union, each with what applies to all; or the schema itself.
fn alternatives(description: &Value, schema: &Schema) -> Vec<Schema> {
    let mut shared = schema.clone();
    let Some(Value::Array(alternatives)) = shared.remove("oneOf") else { return vec![shared] };
    let each = alternatives.iter().flat_map(|alternative| {
        let all = Value::Array(vec![alternative.clone(), Value::Object(shared.clone())]);
        let whole = flat(description, &Value::Object(Map::from_iter([("allOf".to_owned(), all)])));
        self::alternatives(description, &whole)
    });
    each.collect()
}

fn object(schema: &Schema, name: &str) -> BTreeMap<String, Value> {
    let fields = schema.get(name).and_then(Value::as_object);
    fields.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn strings(schema: &Schema, name: &str) -> HashSet<String> {
    match schema.get(name) {
        Some(Value::String(one)) => HashSet::from([one.clone()]),
        Some(Value::Array(all)) => {
            all.iter().map(|each| each.to_string().replace('"', "")).collect()
        }
        _ => HashSet::new(),
    }
}

fn required(schema: &Schema) -> HashSet<String> {
    strings(schema, "required")
}

/// Whether each type of `some` is one of `all`. A schema without types allows any.
fn types_include(all: &Schema, some: &Schema) -> bool {
    let (all, some) = (strings(all, "type"), strings(some, "type"));
    let included =
        |kind: &String| all.contains(kind) || kind == "integer" && all.contains("number");
    all.is_empty() || !some.is_empty() && some.iter().all(included)
}

/// Whether the names that were allowed still are, and there is no new restriction to names.
fn names_remain(old: &Schema, new: &Schema) -> bool {
    let (old_names, new_names) = (strings(old, "enum"), strings(new, "enum"));
    old.contains_key("enum") == new.contains_key("enum") && old_names.is_subset(&new_names)
}

fn is_narrower(old: &Schema, new: &Schema) -> bool {
    let bound = |schema: &Schema, name: &str| schema.get(name).and_then(Value::as_f64);
    let lower = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
    let upper = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
    let raised = |name| bound(new, name) > bound(old, name);
    let lowered = |name| {
        let limit = |schema| bound(schema, name).unwrap_or(f64::INFINITY);
        limit(new) < limit(old)
    };
    let other = |name| new.contains_key(name) && new.get(name) != old.get(name);
    lower.into_iter().any(raised)
        || upper.into_iter().any(lowered)
        || ["pattern", "propertyNames"].into_iter().any(other)
}
