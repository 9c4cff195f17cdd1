//! Fields that can be written in two ways: a name or an object, one value or a list.
//!
//! These types keep the path of an error, which serde's untagged enums lose, and its kind (a wrong
//! value, or a body that ends early), which serde-untagged loses.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::choice::Choice;
use crate::config::named;
use crate::error::Result;

/// A named choice, such as `"eraser"`.
#[derive(Debug, Clone, Copy)]
pub struct Name<T>(pub T);

impl<T> Name<T> {
    pub fn value(self) -> T {
        self.0
    }
}

/// Returns the choices that the list in `field` names, and checks that they differ.
pub fn distinct<T: Choice>(names: Vec<Name<T>>, field: &str) -> Result<Vec<T>> {
    let list: Vec<T> = names.into_iter().map(Name::value).collect();
    match (1..list.len()).find(|&index| list[..index].contains(&list[index])) {
        Some(index) => {
            let detail = format!("{field} names {} twice", list[index].name());
            Err(crate::error::Error::field(format!("/{field}/{index}"), detail))
        }
        None => Ok(list),
    }
}

impl<T: Choice> Serialize for Name<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        named::serialize(&self.0, serializer)
    }
}

impl<'de, T: Choice> Deserialize<'de> for Name<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        named::deserialize(deserializer).map(Self)
    }
}

/// A value that is not an object: a string, a boolean or an index.
pub trait Plain {
    /// The values, for error messages.
    const VALUES: &str;
}

impl Plain for bool {
    const VALUES: &str = "true, false";
}

impl Plain for String {
    const VALUES: &str = "a name";
}

/// A plain value or an object.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum PlainOr<P, O> {
    Plain(P),
    Object(O),
}

impl<'de, P: Deserialize<'de> + Plain, O: Deserialize<'de>> Deserialize<'de> for PlainOr<P, O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainOrVisitor(PhantomData))
    }
}

struct PlainOrVisitor<P, O>(PhantomData<(P, O)>);

impl<P: Plain, O> PlainOrVisitor<P, O> {
    /// Deserializes a plain value; an error names the object too.
    fn plain<'de, D: Deserializer<'de>>(
        self,
        value: D,
        given: Unexpected<'_>,
    ) -> Result<PlainOr<P, O>, D::Error>
    where
        P: Deserialize<'de>,
        O: Deserialize<'de>,
    {
        P::deserialize(value)
            .map(PlainOr::Plain)
            .map_err(|_: D::Error| Error::invalid_value(given, &self))
    }
}

impl<'de, P: Deserialize<'de> + Plain, O: Deserialize<'de>> Visitor<'de> for PlainOrVisitor<P, O> {
    type Value = PlainOr<P, O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} or an object", P::VALUES)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.plain(text.into_deserializer(), Unexpected::Str(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.plain(value.into_deserializer(), Unexpected::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.plain(value.into_deserializer(), Unexpected::Unsigned(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(PlainOr::Object)
    }
}

/// A name, or a list of numbers.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum NameOrList<N> {
    Name(N),
    List(Vec<i64>),
}

impl<'de, N: Deserialize<'de> + Plain> Deserialize<'de> for NameOrList<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrListVisitor(PhantomData))
    }
}

struct NameOrListVisitor<N>(PhantomData<N>);

impl<'de, N: Deserialize<'de> + Plain> Visitor<'de> for NameOrListVisitor<N> {
    type Value = NameOrList<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} or a list of integers", N::VALUES)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        N::deserialize(text.into_deserializer())
            .map(NameOrList::Name)
            .map_err(|_: E| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(NameOrList::List)
    }
}

/// An object only. serde's derived structs also accept a list of their fields' values.
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
