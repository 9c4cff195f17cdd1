//! openapi.yaml keeps what the published descriptions promise. tests/contract has these, as GET
//! /openapi.json returned them; they never change. An addition needs nothing; a change that breaks
//! clients needs a new major version: another file, and a line in `PUBLISHED`.

mod promises;
mod schemas;

use std::sync::LazyLock;

use promises::broken;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

struct Published {
    major: u32,
    description: &'static str,
    sha256: &'static str,
}

const PUBLISHED: [Published; 1] = [Published {
    major: 1,
    description: include_str!("../../contract/openapi-v1.json"),
    sha256: "d34e4ab7d82a85ba616f3e17d72677d4a24879ff8ad8556b6b660f0451aee508",
}];

static CURRENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&explaind::http::openapi::json().unwrap()).unwrap());

#[test]
fn published_descriptions_do_not_change() {
    for each in PUBLISHED {
        let digest = Sha256::digest(each.description);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, each.sha256, "openapi-v{}.json was changed", each.major);
    }
}

#[test]
fn the_description_keeps_what_the_latest_major_version_promises() {
    let latest = PUBLISHED.iter().map(|each| each.major).max().unwrap();
    for each in PUBLISHED.iter().filter(|each| each.major == latest) {
        let published = serde_json::from_str(each.description).unwrap();
        let broken = broken(&published, &CURRENT);
        assert!(
            broken.is_empty(),
            "clients of version {latest} break (CONTRIBUTING.md, Releasing):\n{}",
            broken.join("\n")
        );
    }
}

/// A change of the description: what is at the pointer becomes this, or nothing.
type Change = (&'static str, Option<Value>);

const EXPLAIN: &str = "/paths/~1explain/post";
const SCHEMAS: &str = "/components/schemas";

fn changed(change: &Change) -> Value {
    let mut description = CURRENT.clone();
    let (pointer, value) = change;
    let pointer = pointer.replace("EXPLAIN", EXPLAIN).replace("SCHEMAS", SCHEMAS);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    let parent = description.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match (parent, value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(name, value.clone())),
        (Value::Object(fields), None) => {
            assert!(fields.remove(&name).is_some(), "no {pointer}");
        }
        (Value::Array(elements), Some(value)) => elements.push(value.clone()),
        (Value::Array(elements), None) => drop(elements.remove(name.parse().unwrap())),
        _ => panic!("{pointer} is in no object or array"),
    }
    description
}

#[test]
fn changes_that_break_clients_are_found() {
    let changes: [Change; 23] = [
        ("/paths/~1predict", None),
        ("/paths/~1models~1{id}/delete", None),
        ("EXPLAIN/responses/200", None),
        ("EXPLAIN/responses/200/content/image~1svg+xml", None),
        ("EXPLAIN/parameters/0", None),
        ("EXPLAIN/parameters/0/required", Some(json!(true))),
        ("EXPLAIN/parameters/-", Some(json!({"name": "X", "in": "header", "required": true}))),
        ("EXPLAIN/parameters/0/schema/maximum", Some(json!(1000))),
        ("EXPLAIN/requestBody/content/application~1json", None),
        ("EXPLAIN/security", Some(json!([{"admin": []}]))),
        ("SCHEMAS/ExplainRequest/properties/methods", None),
        ("SCHEMAS/ExplainRequest/required/-", Some(json!("seed"))),
        ("SCHEMAS/ExplainRequest/properties/seed/type", Some(json!("string"))),
        ("SCHEMAS/MethodName/enum/0", None),
        ("SCHEMAS/Prediction/properties/probability", None),
        ("SCHEMAS/Prediction/properties/probability/type", Some(json!(["number", "null"]))),
        ("SCHEMAS/Prediction/properties/index/type", Some(json!("number"))),
        ("SCHEMAS/Prediction/required/0", None),
        ("SCHEMAS/Problem/properties/errors/items", Some(json!({"type": "string"}))),
        ("SCHEMAS/TargetShape/oneOf/0", None),
        ("SCHEMAS/OptionValue/oneOf/-", Some(json!({"type": "object"}))),
        ("SCHEMAS/LexiconShape/additionalProperties/items/type", Some(json!("integer"))),
        ("SCHEMAS/Explanation/properties/attributions", Some(json!({"type": "array"}))),
    ];
    for change in changes {
        let found = broken(&CURRENT, &changed(&change));
        assert!(!found.is_empty(), "{change:?} was not found");
    }
}

#[test]
fn additions_break_no_client() {
    let changes: [Change; 12] = [
        ("/info/description", Some(json!("Something else."))),
        ("/paths/~1new", Some(json!({"get": {"responses": {}}}))),
        ("EXPLAIN/summary", Some(json!("Something else."))),
        ("EXPLAIN/responses/418", Some(json!({"description": "A teapot"}))),
        ("EXPLAIN/responses/200/content/text~1csv", Some(json!({}))),
        ("EXPLAIN/parameters/-", Some(json!({"name": "X", "in": "header", "required": false}))),
        ("SCHEMAS/ExplainRequest/properties/new", Some(json!({"type": "string"}))),
        ("SCHEMAS/ExplainRequest/properties/seed/type", Some(json!(["integer", "string", "null"]))),
        ("SCHEMAS/Prediction/properties/new", Some(json!({"type": "string"}))),
        ("SCHEMAS/Prediction/required/-", Some(json!("token_str"))),
        ("SCHEMAS/MethodName/enum/-", Some(json!("new_method"))),
        ("SCHEMAS/TargetShape/oneOf/-", Some(json!({"type": "boolean"}))),
    ];
    assert_eq!(broken(&CURRENT, &CURRENT), [""; 0]);
    for change in changes {
        assert_eq!(broken(&CURRENT, &changed(&change)), [""; 0], "{change:?}");
    }
}
