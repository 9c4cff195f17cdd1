//! Schemas that types do not tell: names that stand in tables, and what holds
//! between fields.

use serde_json::{Value, json};
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{
    AllOfBuilder, Array, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema,
};
use utoipa::{PartialSchema, ToSchema};

use super::inputs::{InputObject, InputShape};
use super::measures::{ALL, MOST_THRESHOLDS};
use super::request::{EvaluateObject, MethodObject, TargetName, TargetObject};
use super::task_options::{LONGEST_ANSWER, MOST_ANSWERS};
use crate::attribution::options::AUTO;
use crate::attribution::{METHODS, MethodEntry, OptionKind, OptionSpec, OptionValue};
use crate::evaluation;

type Schemas = Vec<(String, RefOr<Schema>)>;

/// A schema, and the components that it names.
macro_rules! shape {
    (impl $name:ty [$($part:ty),*] $schema:expr) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {
            fn schemas(_list: &mut Schemas) {
                $(
                    _list.push((<$part>::name().into_owned(), <$part>::schema()));
                    <$part>::schemas(_list);
                )*
            }
        }
    };
    ($(#[$doc:meta])* $name:ident [$($part:ty),*] $schema:expr) => {
        $(#[$doc])*
        pub struct $name;
        shape!(impl $name [$($part),*] $schema);
    };
}

shape! {
    /// An input, or some.
    InputsShape [InputShape]
    one_of("One input, or a list of them.")
        .item(named::<InputShape>())
        .item(ArrayBuilder::new().items(named::<InputShape>()).min_items(Some(1)))
}

shape! {
    /// A text.
    TextShape []
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).description(Some("A text."))
}

shape! {
    /// The words of a text.
    WordsShape [TextShape]
    ArrayBuilder::new().items(named::<TextShape>()).min_items(Some(1))
}

shape! {
    /// One text in one of its two forms.
    InputObjectShape [InputObject]
    AllOfBuilder::new()
        .description(Some("An object with a text, or with its words already cut."))
        .item(named::<InputObject>())
        .item(exactly_one([("text", string()), ("words", ArrayBuilder::new().into())]))
}

shape! {
    /// Labels of the caller's own.
    CandidatesShape [TextShape]
    ArrayBuilder::new().items(named::<TextShape>()).min_items(Some(1)).unique_items(true)
}

shape! {
    /// The most tokens of an answer.
    AnswerLength []
    integer(1, LONGEST_ANSWER as u64)
}

shape! {
    /// How many answers.
    AnswersShape []
    integer(1, MOST_ANSWERS as u64)
}

shape! {
    /// A part of a text.
    SpanShape []
    pair(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize)))
        .description(Some("`[start, end]` in code points; end is not included."))
}

shape! {
    /// What is explained.
    TargetShape [TargetName, TargetObject]
    one_of("A name, or an object with exactly one of `label`, `index`, `contrast` and `position`.")
        .item(named::<TargetName>())
        .item(AllOfBuilder::new().item(named::<TargetObject>()).item(one_class()))
}

shape! {
    /// Every method's name.
    MethodName []
    names(METHODS.iter().map(|entry| entry.name)).description(Some("The name of a method."))
}

shape! {
    impl MethodObject []
    METHODS.iter().map(with_options).fold(
        one_of("A method's name beside its own options."),
        OneOfBuilder::item,
    )
}

shape! {
    /// Every measure's name, and the one for all.
    MeasureName []
    names([ALL].into_iter().chain(evaluation::names()))
        .description(Some("The name of a measure, or of all of them."))
}

shape! {
    /// One measure, or some.
    MeasuresShape [MeasureName]
    one_of("One measure, or a list of them.")
        .item(named::<MeasureName>())
        .item(Array::new(named::<MeasureName>()))
}

shape! {
    /// What is measured, and how.
    EvaluateShape [MeasuresShape, EvaluateObject]
    one_of("Measures, or an object that also says how.")
        .item(named::<MeasuresShape>())
        .item(named::<EvaluateObject>())
}

shape! {
    /// Sizes of rationales.
    ThresholdsShape []
    ArrayBuilder::new()
        .items(number().exclusive_minimum(Some(0_usize)).maximum(Some(1_usize)).build())
        .min_items(Some(1))
        .max_items(Some(MOST_THRESHOLDS))
        .description(Some("Shares of the units."))
}

fn named<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

fn one_of(description: &str) -> OneOfBuilder {
    OneOfBuilder::new().description(Some(description))
}

fn names(names: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))
}

fn pair(item: ObjectBuilder) -> ArrayBuilder {
    ArrayBuilder::new().items(item.build()).min_items(Some(2)).max_items(Some(2))
}

/// Holds where exactly one of a target's fields is there and not null.
fn one_class() -> OneOfBuilder {
    exactly_one([
        ("label", string()),
        ("index", ObjectBuilder::new().schema_type(Type::Integer).into()),
        ("contrast", ArrayBuilder::new().into()),
        ("position", string()),
    ])
}

fn string() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// Holds where exactly one of these fields is there and of its type.
fn exactly_one<const N: usize>(fields: [(&str, RefOr<Schema>); N]) -> OneOfBuilder {
    let has = |(name, there): (&str, RefOr<Schema>)| {
        ObjectBuilder::new().schema_type(Type::Object).property(name, there).required(name)
    };
    fields.into_iter().map(has).fold(OneOfBuilder::new(), OneOfBuilder::item)
}

/// A method's name with the options that it declares.
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

fn option(spec: &OptionSpec) -> RefOr<Schema> {
    let default = Some(match spec.default.value() {
        OptionValue::Name(name) => json!(name),
        OptionValue::Integer(number) => json!(number),
        OptionValue::Number(number) => json!(number),
        OptionValue::Text(text) => json!({ "text": text }),
    });
    let plain = |object: ObjectBuilder, default: Option<Value>| -> RefOr<Schema> {
        object.description(Some(spec.help)).default(default).into()
    };
    let either =
        |one: ObjectBuilder, other: ObjectBuilder, default: Option<Value>| -> RefOr<Schema> {
            one_of(spec.help).item(one).item(other).default(default).into()
        };
    match spec.kind {
        OptionKind::Choice(choices) => plain(names(choices.iter().copied()), default),
        OptionKind::ChoiceOrText(choices) => {
            either(names(choices.iter().copied()), text(), default)
        }
        OptionKind::Integer { min, max } => plain(integer(min, max), default),
        OptionKind::IntegerOrAuto { min, max } => either(names([AUTO]), integer(min, max), default),
        OptionKind::Number { min, max } => {
            plain(number().minimum(Some(min)).maximum(Some(max)), default)
        }
    }
}

fn integer(min: u64, max: u64) -> ObjectBuilder {
    let integer = ObjectBuilder::new().schema_type(Type::Integer);
    integer.minimum(Some(min as usize)).maximum(Some(max as usize))
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number)
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("text", Object::with_type(Type::String))
        .required("text")
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}
