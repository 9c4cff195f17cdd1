//! `target`: the output to explain.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder};

use super::schemas::{exactly_one, named, one_of, optional_name, shape, string};
use super::shapes::{Name, Plain, PlainOr};
use crate::error::{Error, Result};
use crate::explanation::{Class, SpanBoundary, Target};

/// The names of targets that are not labels.
const PREDICTED: &str = "predicted";
const ALL: &str = "all";

shape! {
    /// The output to explain.
    TargetShape [ClassShape, TargetObject]
    one_of(
        "`predicted`, `all`, a label or an index, or an object with exactly one of `label`, \
         `index`, `contrast` and `position`.",
    )
        .item(named::<ClassShape>())
        .item(AllOfBuilder::new().item(named::<TargetObject>()).item(one_class()))
}

/// One of `label`, `index`, `contrast` and `position`; also `token` for models with one output per
/// token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetObject {
    /// An index into `tokens` of the response.
    pub token: Option<usize>,
    /// Question answering: the start or the end of the answer; of the best answer unless `token` is
    /// set.
    #[schema(schema_with = optional_name::<SpanBoundary>, required = false)]
    pub position: Option<Name<SpanBoundary>>,
    pub label: Option<String>,
    pub index: Option<usize>,
    /// The output of the first class minus that of the second; labels or indexes.
    #[schema(inline, min_items = 2, max_items = 2)]
    pub contrast: Option<[ClassShape; 2]>,
}

/// A label or an index.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "each class must be a label or an index")]
pub enum ClassShape {
    Label(String),
    Index(usize),
}

impl Plain for ClassShape {
    const VALUES: &str = "a label, an index";
}

/// Valid if exactly one of a target's fields is present and not null.
fn one_class() -> OneOfBuilder {
    exactly_one([
        ("label", string()),
        ("index", ObjectBuilder::new().schema_type(Type::Integer).into()),
        ("contrast", ArrayBuilder::new().into()),
        ("position", string()),
    ])
}

/// Returns the target that a request names; the predicted class for `None`.
pub fn target(shape: Option<PlainOr<ClassShape, TargetObject>>) -> Result<Target> {
    let object = match shape {
        None => return Ok(Target::Predicted),
        Some(PlainOr::Plain(shape)) => return Ok(named_target(shape)),
        Some(PlainOr::Object(object)) => object,
    };
    let token = object.token;
    let named = |class| Ok(Target::Class { token, class });
    match (object.label, object.index, object.contrast, object.position) {
        (Some(label), None, None, None) => named(Class::Label(label)),
        (None, Some(index), None, None) => named(Class::Index(index)),
        (None, None, Some([a, b]), None) => {
            Ok(Target::Contrast { token, classes: [class(a), class(b)] })
        }
        (None, None, None, Some(Name(border))) => Ok(Target::SpanBoundary { border, token }),
        _ => Err(Error::field("/target", "give exactly one of label, index, contrast, position")),
    }
}

/// Returns the target that a string or a number stands for. Labels called `all` or `predicted` need
/// the object form.
fn named_target(shape: ClassShape) -> Target {
    match shape {
        ClassShape::Label(name) if name == PREDICTED => Target::Predicted,
        ClassShape::Label(name) if name == ALL => Target::All,
        shape => Target::Class { token: None, class: class(shape) },
    }
}

fn class(shape: ClassShape) -> Class {
    match shape {
        ClassShape::Label(label) => Class::Label(label),
        ClassShape::Index(index) => Class::Index(index),
    }
}
