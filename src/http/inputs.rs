//! Inputs of a request, and their conversion to [`Input`].

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{AllOfBuilder, ArrayBuilder, ObjectBuilder};

use super::schemas::{PairShape, SpanShape, TextShape, exactly_one, named, one_of, shape, string};
use super::shapes::OneOrMany;
use crate::config::Limits;
use crate::error::{self, Code, Error};
use crate::text::Input;

shape! {
    /// One or several inputs.
    InputsShape [InputShape]
    one_of("One input, or a list of them.")
        .item(named::<InputShape>())
        .item(ArrayBuilder::new().items(named::<InputShape>()).min_items(Some(1)))
}

/// A text, a pair of texts, or an object that contains them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum InputShape {
    #[schema(value_type = TextShape)]
    Text(String),
    #[schema(value_type = PairShape)]
    Pair([String; 2]),
    #[schema(value_type = InputObjectShape)]
    Object(InputObject),
}

impl<'de> Deserialize<'de> for InputShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = InputShape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a pair of texts or an object")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<InputShape, E> {
        Ok(InputShape::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<InputShape, A::Error> {
        let texts = Vec::<String>::deserialize(SeqAccessDeserializer::new(list))?;
        let pair = <[String; 2]>::try_from(texts);
        pair.map(InputShape::Pair).map_err(|texts| A::Error::invalid_length(texts.len(), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<InputShape, A::Error> {
        InputObject::deserialize(MapAccessDeserializer::new(map)).map(InputShape::Object)
    }
}

/// A text or a pair. The client's `id` is returned with the result.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputObject {
    #[schema(value_type = Option<TextShape>)]
    pub text: Option<String>,
    /// Instead of `text`: its words. The text is these words joined by single spaces. The
    /// tokenizer reads each word separately, and they are the words of the response.
    #[schema(value_type = Option<WordsShape>)]
    pub words: Option<Vec<String>>,
    #[schema(value_type = Option<TextShape>)]
    pub text_pair: Option<String>,
    /// A number is returned as a string.
    #[serde(default, deserialize_with = "id")]
    #[schema(value_type = Option<IdShape>)]
    pub id: Option<String>,
    /// Spans of the text to score, `[start, end]` in code points.
    #[schema(value_type = Option<Vec<SpanShape>>)]
    pub spans: Option<Vec<[usize; 2]>>,
    /// What a person marked as the reason for the label, `[start, end]` in code points; for the
    /// measure `plausibility`.
    #[schema(value_type = Option<Vec<SpanShape>>)]
    pub rationale: Option<Vec<[usize; 2]>>,
}

shape! {
    /// A text in one of two forms.
    InputObjectShape [InputObject]
    AllOfBuilder::new()
        .description(Some("An object with either a text or its words."))
        .item(named::<InputObject>())
        .item(exactly_one([("text", string()), ("words", ArrayBuilder::new().into())]))
}

shape! {
    /// The words of a text.
    WordsShape [TextShape]
    ArrayBuilder::new().items(named::<TextShape>()).min_items(Some(1))
}

shape! {
    /// The client's name for an input.
    IdShape []
    one_of("Returned with the result; a number is returned as a string.")
        .item(ObjectBuilder::new().schema_type(Type::String))
        .item(ObjectBuilder::new().schema_type(Type::Integer))
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(IdVisitor)
}

struct IdVisitor;

impl<'de> Visitor<'de> for IdVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an integer")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<Self::Value, E> {
        Ok(Some(id.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<Self::Value, E> {
        Ok(Some(id.to_string()))
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> Result<Self::Value, E> {
        Ok(Some(id.to_string()))
    }
}

type Pairs = Option<Vec<[usize; 2]>>;

/// Converts the inputs of a request. `outer` is its field `spans`, for requests with one input.
pub fn inputs(
    shape: OneOrMany<InputShape>,
    outer: Pairs,
    limits: &Limits,
) -> error::Result<Vec<Input>> {
    let inputs = match shape {
        OneOrMany::One(one) => vec![with_spans(input(one, "/inputs")?, outer)?],
        OneOrMany::Many(list) => from_list(list, outer, limits.inputs)?,
    };
    check_sizes(&inputs, limits)?;
    Ok(inputs)
}

/// Converts an object that is not part of a request. Pointers of errors are relative to it.
pub fn single(object: InputObject, limits: &Limits) -> error::Result<Input> {
    let input = input(InputShape::Object(object), "")?;
    check_sizes(std::slice::from_ref(&input), limits)?;
    Ok(input)
}

/// Converts a list of texts at `field` of a request.
pub fn listed(list: Vec<InputShape>, field: &str, limits: &Limits) -> error::Result<Vec<Input>> {
    let read = |(index, shape)| input(shape, &format!("{field}/{index}"));
    let inputs = list.into_iter().enumerate().map(read).collect::<error::Result<Vec<_>>>()?;
    check_sizes(&inputs, limits)?;
    Ok(inputs)
}

fn check_sizes(inputs: &[Input], limits: &Limits) -> error::Result<()> {
    let too_many = |what: &str, count: usize, max: usize, pointer: &str| {
        Err(Error::field(pointer, format!("{count} {what}; at most {max} are accepted")))
    };
    for input in inputs {
        let Input { words, spans, rationale, pointer, spans_pointer, .. } = input;
        let words = words.as_ref().map_or(0, Vec::len);
        if words > limits.words {
            return too_many("words", words, limits.words, pointer);
        }
        if spans.len() > limits.spans {
            return too_many("spans", spans.len(), limits.spans, spans_pointer);
        }
        if rationale.len() > limits.spans {
            let pointer = input.rationale_pointer();
            return too_many("spans", rationale.len(), limits.spans, &pointer);
        }
    }
    Ok(())
}

fn from_list(list: Vec<InputShape>, outer: Pairs, limit: usize) -> error::Result<Vec<Input>> {
    if list.is_empty() {
        return Err(Error::new(Code::InputEmpty, "inputs is empty").at("/inputs"));
    }
    if list.len() > limit {
        let detail = format!("inputs has {} elements; at most {limit} are accepted", list.len());
        return Err(Error::field("/inputs", detail));
    }
    if outer.is_some() {
        let detail = "in a list, each input has its own spans: {\"text\": …, \"spans\": …}";
        return Err(Error::field("/spans", detail));
    }
    let read = |(index, shape)| input(shape, &format!("/inputs/{index}"));
    list.into_iter().enumerate().map(read).collect()
}

/// Adds the request's spans to its only input.
fn with_spans(input: Input, outer: Pairs) -> error::Result<Input> {
    match outer {
        None => Ok(input),
        Some(_) if !input.spans.is_empty() => {
            Err(Error::field("/spans", "the input already has spans; send them only once"))
        }
        Some(pairs) => {
            Ok(Input { spans: spans(Some(pairs)), spans_pointer: "/spans".to_owned(), ..input })
        }
    }
}

fn spans(pairs: Pairs) -> Vec<(usize, usize)> {
    pairs.unwrap_or_default().into_iter().map(|[start, end]| (start, end)).collect()
}

fn input(shape: InputShape, pointer: &str) -> error::Result<Input> {
    let spans_pointer = format!("{pointer}/spans");
    let object = match shape {
        InputShape::Text(text) => {
            let pointer = pointer.to_owned();
            return Ok(Input { text, pointer, spans_pointer, ..Input::default() });
        }
        InputShape::Pair([text, other]) => {
            let pointer = format!("{pointer}/0");
            return Ok(Input {
                text,
                text_pair: Some(other),
                pointer,
                spans_pointer,
                ..Input::default()
            });
        }
        InputShape::Object(object) => object,
    };
    let (text, name) = match (object.text, &object.words) {
        (Some(text), None) => (text, "text"),
        (None, Some(words)) => (words.join(" "), "words"),
        (Some(_), Some(_)) => {
            let detail = "an input has either text or words, not both";
            return Err(Error::field(format!("{pointer}/words"), detail));
        }
        (None, None) => {
            let detail = "an input needs text or words";
            return Err(Error::field(pointer, detail));
        }
    };
    Ok(Input {
        id: object.id,
        text,
        words: object.words,
        text_pair: object.text_pair,
        spans: spans(object.spans),
        rationale: spans(object.rationale),
        pointer: format!("{pointer}/{name}"),
        spans_pointer,
    })
}
