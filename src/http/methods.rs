//! `methods`: which methods to run, and their options.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{Array, Object, ObjectBuilder, OneOfBuilder, Schema};

use super::schemas::{AnySchema, integer, named, names, number, one_of, shape};
use super::shapes::{OneOrMany, PlainOr};
use crate::attribution::{
    self, METHODS, MethodEntry, OptionKind, OptionSpec, OptionValue, Options,
};
use crate::error::{Error, Result};

shape! {
    /// One or several methods.
    MethodsShape [MethodShape]
    one_of("One method, or a list of them.")
        .item(named::<MethodShape>())
        .item(Array::new(named::<MethodShape>()))
}

/// A method's name, or an object with options.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, from = "PlainOr<String, MethodObject>")]
pub enum MethodShape {
    #[schema(value_type = MethodName)]
    Name(String),
    Object(MethodObject),
}

impl From<PlainOr<String, MethodObject>> for MethodShape {
    fn from(shape: PlainOr<String, MethodObject>) -> Self {
        match shape {
            PlainOr::Plain(name) => Self::Name(name),
            PlainOr::Object(object) => Self::Object(object),
        }
    }
}

/// A method's name with its options.
#[derive(Debug, Serialize, Deserialize)]
pub struct MethodObject {
    pub name: String,
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

shape! {
    /// The names of all methods.
    MethodName []
    names(METHODS.iter().map(|entry| entry.name)).description(Some("The name of a method."))
}

shape! {
    impl MethodObject []
    METHODS.iter().map(with_options).fold(
        one_of("A method's name with its options."),
        OneOfBuilder::item,
    )
}

/// The schema of a method's name with its options.
fn with_options(entry: &MethodEntry) -> ObjectBuilder {
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .title(Some(entry.name))
        .description(Some(entry.summary))
        .property("name", names([entry.name]))
        .required("name")
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    let with = |object: ObjectBuilder, spec: &OptionSpec| object.property(spec.name, option(spec));
    entry.options.iter().fold(object, with)
}

fn option(spec: &OptionSpec) -> AnySchema {
    let default = Some(match spec.default.value() {
        OptionValue::Name(name) => json!(name),
        OptionValue::Integer(number) => json!(number),
        OptionValue::Number(number) => json!(number),
        OptionValue::Boolean(value) => json!(value),
        OptionValue::Text(text) => json!({ "text": text }),
    });
    let plain = |object: ObjectBuilder, default: Option<Value>| -> AnySchema {
        object.description(Some(spec.help)).default(default).into()
    };
    let either = |one: ObjectBuilder, other: ObjectBuilder, default: Option<Value>| -> AnySchema {
        one_of(spec.help).item(one).item(other).default(default).into()
    };
    match spec.kind {
        OptionKind::Choice(choices) => plain(names(choices.iter().copied()), default),
        OptionKind::ChoiceOrText(choices) => {
            either(names(choices.iter().copied()), text(), default)
        }
        OptionKind::Integer { min, max } => plain(integer(min, max), default),
        OptionKind::IntegerOrName { names: own, min, max } => {
            either(names(own.iter().copied()), integer(min, max), default)
        }
        OptionKind::Number { min, max } => {
            plain(number().minimum(Some(min)).maximum(Some(max)), default)
        }
        OptionKind::Boolean => plain(ObjectBuilder::new().schema_type(Type::Boolean), default),
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("text", Object::with_type(Type::String))
        .required("text")
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

pub type Configured = (&'static MethodEntry, Options);

/// Returns the methods with their options; `default` for `None`.
pub fn methods(
    shapes: Option<OneOrMany<MethodShape>>,
    default: &str,
    limit: usize,
) -> Result<Vec<Configured>> {
    let shapes = match shapes {
        None => vec![MethodShape::Name(default.to_owned())],
        // As if it stood in a list, except that pointers have no index.
        Some(OneOrMany::One(shape)) => {
            return Ok(vec![method(shape).map_err(|error| error.within("/methods"))?]);
        }
        Some(OneOrMany::Many(shapes)) => shapes,
    };
    if shapes.len() > limit {
        let detail = format!("methods has {} elements; at most {limit} are accepted", shapes.len());
        return Err(Error::field("/methods", detail));
    }
    let mut methods: Vec<Configured> = Vec::with_capacity(shapes.len());
    for (index, shape) in shapes.into_iter().enumerate() {
        let within = |error: Error| error.within(&format!("/methods/{index}"));
        let (entry, options) = method(shape).map_err(within)?;
        let same =
            |(other, of_other): &Configured| other.name == entry.name && of_other.same(&options);
        if methods.iter().any(same) {
            let detail = format!("{} is requested twice with the same options", entry.name);
            return Err(within(Error::field("", detail)));
        }
        methods.push((entry, options));
    }
    Ok(methods)
}

fn method(shape: MethodShape) -> Result<Configured> {
    match shape {
        MethodShape::Name(name) => {
            let entry = attribution::find(&name)?;
            Ok((entry, entry.options(&Map::new())?))
        }
        MethodShape::Object(object) => {
            let entry = attribution::find(&object.name).map_err(|error| error.at("/name"))?;
            Ok((entry, entry.options(&object.options)?))
        }
    }
}
