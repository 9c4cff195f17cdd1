//! Inputs as callers write them, and as they are read.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schemas::{InputObjectShape, SpanShape, TextShape, WordsShape};
use super::shapes::{OneOrMany, PlainOr};
use crate::config::Limits;
use crate::error::{Code, Error, Result};
use crate::text::Input;

/// A text, or an object with a text.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, from = "PlainOr<String, InputObject>")]
pub enum InputShape {
    #[schema(value_type = TextShape)]
    Text(String),
    #[schema(value_type = InputObjectShape)]
    Object(InputObject),
}

impl From<PlainOr<String, InputObject>> for InputShape {
    fn from(shape: PlainOr<String, InputObject>) -> Self {
        match shape {
            PlainOr::Plain(text) => Self::Text(text),
            PlainOr::Parts(object) => Self::Object(object),
        }
    }
}

/// A text, or a pair, with the caller's own id, which is echoed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputObject {
    #[schema(value_type = Option<TextShape>)]
    pub text: Option<String>,
    /// In place of `text`: its words, already cut. The text is these words joined by single
    /// spaces; the tokenizer reads each by itself, and the answer's words are these.
    #[schema(value_type = Option<WordsShape>)]
    pub words: Option<Vec<String>>,
    #[schema(value_type = Option<TextShape>)]
    pub text_pair: Option<String>,
    pub id: Option<String>,
    /// Parts of the text to score, `[start, end]` in code points.
    #[schema(value_type = Option<Vec<SpanShape>>)]
    pub spans: Option<Vec<[usize; 2]>>,
}

type Pairs = Option<Vec<[usize; 2]>>;

/// The inputs of a request, and the spans that stand beside a lone one.
pub fn inputs(shape: OneOrMany<InputShape>, lone: Pairs, limits: &Limits) -> Result<Vec<Input>> {
    let inputs = match shape {
        OneOrMany::One(one) => vec![with_spans(input(one, "/inputs")?, lone)?],
        OneOrMany::Many(list) => listed(list, lone, limits.inputs)?,
    };
    let too_many = |what: &str, count: usize, most: usize, pointer: &str| {
        Err(Error::field(pointer, format!("{count} {what}; at most {most} are taken")))
    };
    for Input { words, spans, pointer, spans_pointer, .. } in &inputs {
        let words = words.as_ref().map_or(0, Vec::len);
        if words > limits.words {
            return too_many("words", words, limits.words, pointer);
        }
        if spans.len() > limits.spans {
            return too_many("spans", spans.len(), limits.spans, spans_pointer);
        }
    }
    Ok(inputs)
}

fn listed(list: Vec<InputShape>, lone: Pairs, limit: usize) -> Result<Vec<Input>> {
    if list.is_empty() {
        return Err(Error::new(Code::InputEmpty, "inputs is empty").at("/inputs"));
    }
    if list.len() > limit {
        let detail = format!("inputs has {} elements; at most {limit} are taken", list.len());
        return Err(Error::field("/inputs", detail));
    }
    if lone.is_some() {
        let detail = "in a list, each input has its own spans: {\"text\": …, \"spans\": …}";
        return Err(Error::field("/spans", detail));
    }
    let place = |(i, shape)| input(shape, &format!("/inputs/{i}"));
    list.into_iter().enumerate().map(place).collect()
}

/// A lone input with the spans that stand beside `inputs`.
fn with_spans(input: Input, lone: Pairs) -> Result<Input> {
    match lone {
        None => Ok(input),
        Some(_) if !input.spans.is_empty() => {
            Err(Error::field("/spans", "the input has spans already; give them once"))
        }
        Some(pairs) => {
            Ok(Input { spans: spans(Some(pairs)), spans_pointer: "/spans".to_owned(), ..input })
        }
    }
}

fn spans(pairs: Pairs) -> Vec<(usize, usize)> {
    pairs.unwrap_or_default().into_iter().map(|[start, end]| (start, end)).collect()
}

fn input(shape: InputShape, pointer: &str) -> Result<Input> {
    let spans_pointer = format!("{pointer}/spans");
    let object = match shape {
        InputShape::Text(text) => {
            let pointer = pointer.to_owned();
            return Ok(Input { text, pointer, spans_pointer, ..Input::default() });
        }
        InputShape::Object(object) => object,
    };
    let (text, name) = match (object.text, &object.words) {
        (Some(text), None) => (text, "text"),
        (None, Some(words)) => (words.join(" "), "words"),
        (Some(_), Some(_)) => {
            let detail = "an input has text, or its words already cut, not both";
            return Err(Error::field(format!("{pointer}/words"), detail));
        }
        (None, None) => {
            let detail = "an input needs text, or its words already cut as words";
            return Err(Error::field(pointer, detail));
        }
    };
    Ok(Input {
        id: object.id,
        text,
        words: object.words,
        text_pair: object.text_pair,
        spans: spans(object.spans),
        pointer: format!("{pointer}/{name}"),
        spans_pointer,
    })
}
