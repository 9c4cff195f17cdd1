//! Defines schemas that cannot be derived from types: names from tables, and constraints between
//! fields. Schemas of a single request type are next to it.

use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};

use crate::choice::Choice;

pub type AnySchema = RefOr<Schema>;

/// Defines a schema and lists the components that it refers to.
macro_rules! shape {
    (impl $name:ty [$($part:ty),*] $schema:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> $crate::http::schemas::AnySchema {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(_list: &mut Vec<(String, $crate::http::schemas::AnySchema)>) {
                $(
                    let name = <$part as utoipa::ToSchema>::name().into_owned();
                    _list.push((name, <$part as utoipa::PartialSchema>::schema()));
                    <$part as utoipa::ToSchema>::schemas(_list);
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
pub(super) use shape;

shape! {
    /// A text.
    TextShape []
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).description(Some("A text."))
}

shape! {
    /// Two texts.
    PairShape [TextShape]
    ArrayBuilder::new()
        .items(named::<TextShape>())
        .min_items(Some(2))
        .max_items(Some(2))
        .description(Some("A pair of texts."))
}

shape! {
    /// A part of a text.
    SpanShape []
    pair(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_usize)))
        .description(Some("`[start, end]` in code points; `end` is exclusive."))
}

pub fn named<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

pub fn one_of(description: &str) -> OneOfBuilder {
    OneOfBuilder::new().description(Some(description))
}

pub fn names(names: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))
}

/// The schema of a [`super::shapes::Name`].
pub fn name<T: Choice>() -> ObjectBuilder {
    names(T::NAMES.iter().copied())
}

pub fn optional_name<T: Choice>() -> OneOfBuilder {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(null).item(name::<T>())
}

/// The schema of an optional list of distinct [`super::shapes::Name`]s.
pub fn optional_names<T: Choice>() -> OneOfBuilder {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let list = ArrayBuilder::new().items(names(T::NAMES.iter().copied())).unique_items(true);
    OneOfBuilder::new().item(null).item(list)
}

fn pair(item: ObjectBuilder) -> ArrayBuilder {
    ArrayBuilder::new().items(item.build()).min_items(Some(2)).max_items(Some(2))
}

pub fn string() -> AnySchema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// Valid if exactly one of these fields is present and has its type.
pub fn exactly_one<const N: usize>(fields: [(&str, AnySchema); N]) -> OneOfBuilder {
    let has = |(name, schema): (&str, AnySchema)| {
        ObjectBuilder::new().schema_type(Type::Object).property(name, schema).required(name)
    };
    fields.into_iter().map(has).fold(OneOfBuilder::new(), OneOfBuilder::item)
}

pub fn integer(min: u64, max: u64) -> ObjectBuilder {
    let integer = ObjectBuilder::new().schema_type(Type::Integer);
    integer.minimum(Some(min as usize)).maximum(Some(max as usize))
}

pub fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number)
}
