//! Fields that may be written in two ways: a name or an object, one or many.
//!
//! serde's untagged enums would do, but forget where an error was; these pass
//! the place through.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BoolDeserializer, MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A plain value (a string or a boolean), or an object.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum PlainOr<P, C> {
    Plain(P),
    Parts(C),
}

impl<'de, P: Deserialize<'de>, C: Deserialize<'de>> Deserialize<'de> for PlainOr<P, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainOrVisitor(PhantomData))
    }
}

struct PlainOrVisitor<P, C>(PhantomData<(P, C)>);

impl<'de, P: Deserialize<'de>, C: Deserialize<'de>> Visitor<'de> for PlainOrVisitor<P, C> {
    type Value = PlainOr<P, C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        P::deserialize(text.into_deserializer()).map(PlainOr::Plain)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        let value: BoolDeserializer<E> = value.into_deserializer();
        P::deserialize(value).map(PlainOr::Plain)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        C::deserialize(MapAccessDeserializer::new(map)).map(PlainOr::Parts)
    }
}

/// A name, or a list of numbers.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum NameOrList<N> {
    Name(N),
    List(Vec<i64>),
}

impl<'de, N: Deserialize<'de>> Deserialize<'de> for NameOrList<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrListVisitor(PhantomData))
    }
}

struct NameOrListVisitor<N>(PhantomData<N>);

impl<'de, N: Deserialize<'de>> Visitor<'de> for NameOrListVisitor<N> {
    type Value = NameOrList<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a list of integers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        N::deserialize(text.into_deserializer()).map(NameOrList::Name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(NameOrList::List)
    }
}

/// An object and nothing else: serde's derived structs would take a list of
/// their fields' values as well.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// One value or a list of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an object or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(text.into_deserializer()).map(OneOrMany::One)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
    }
}
