//! What a description promises about paths, parameters, bodies and responses.

use serde_json::{Map, Value};

use super::schemas::{Comparison, Way};

/// Returns what the description `old` promises and `new` does not keep, a line each.
pub fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison::new(old, new);
    for (path, operations) in fields(&old["paths"]) {
        for (method, operation) in fields(operations) {
            let place = format!("{} {path}", method.to_uppercase());
            match &new["paths"][path][method] {
                Value::Null => comparison.found.push(format!("{place} is gone")),
                other => compare(&mut comparison, &place, operation, other),
            }
        }
    }
    comparison.found
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn compare(comparison: &mut Comparison, place: &str, old: &Value, new: &Value) {
    if old["security"] != new["security"] {
        comparison.found.push(format!("{place}: it needs other keys"));
    }
    parameters(comparison, place, old, new);
    let (old_body, new_body) = (&old["requestBody"], &new["requestBody"]);
    if new_body["required"] == true && old_body["required"] != true {
        comparison.found.push(format!("{place}: a body is required"));
    }
    content(comparison, &format!("{place}: request"), old_body, new_body, Way::Request);
    for (status, response) in fields(&old["responses"]) {
        let place = format!("{place}: {status}");
        match &new["responses"][status] {
            Value::Null => comparison.found.push(format!("{place} is gone")),
            other => content(comparison, &place, response, other, Way::Response),
        }
    }
}

fn parameters(comparison: &mut Comparison, place: &str, old: &Value, new: &Value) {
    let list = |operation: &Value| operation["parameters"].as_array().cloned().unwrap_or_default();
    let (olds, news) = (list(old), list(new));
    let same =
        |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
    for parameter in &olds {
        let place = format!("{place}: parameter {}", parameter["name"]);
        match news.iter().find(|other| same(parameter, other)) {
            None => comparison.found.push(format!("{place} is gone")),
            Some(other) => {
                comparison.compare(&place, &parameter["schema"], &other["schema"], Way::Request);
            }
        }
    }
    for parameter in news.iter().filter(|parameter| parameter["required"] == true) {
        let was_required = |old: &Value| same(parameter, old) && old["required"] == true;
        if !olds.iter().any(was_required) {
            let name = &parameter["name"];
            comparison.found.push(format!("{place}: parameter {name} is required"));
        }
    }
}

fn content(comparison: &mut Comparison, place: &str, old: &Value, new: &Value, way: Way) {
    for (media_type, content) in fields(&old["content"]) {
        let place = format!("{place} {media_type}");
        match &new["content"][media_type] {
            Value::Null => comparison.found.push(format!("{place} is gone")),
            other => comparison.compare(&place, &content["schema"], &other["schema"], way),
        }
    }
}
