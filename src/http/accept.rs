//! Which form an answer has: content negotiation (RFC 9110).

use axum::http::{HeaderMap, header};

use crate::error::{Code, Error, Result};

/// A form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Page,
    Picture,
    Tensors,
    /// A result a line, each as soon as it is ready.
    Lines,
}

impl Form {
    /// All of them; of those that a caller likes best, the first is given.
    pub const ALL: &[Self] = &[Self::Json, Self::Page, Self::Picture, Self::Tensors, Self::Lines];

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Page => "text/html",
            Self::Picture => "image/svg+xml",
            Self::Tensors => "application/x-safetensors",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// The one among `offered` that the Accept header likes best: by its weight,
/// then the one that it names rather than one it has a wildcard for, then by
/// their order.
pub fn choose(headers: &HeaderMap, offered: &[Form]) -> Result<Form> {
    let ranges = ranges(headers);
    if ranges.is_empty() {
        return offered.first().copied().ok_or_else(|| refusal(offered));
    }
    let liked = |form: &Form| {
        let range = best_range(&ranges, form.media_type())?;
        (range.weight > 0).then_some(((range.weight, range.precision), *form))
    };
    // Of equals `max_by_key` takes the last.
    let best = offered.iter().rev().filter_map(liked).max_by_key(|(rank, _)| *rank);
    best.map(|(_, form)| form).ok_or_else(|| refusal(offered))
}

fn refusal(offered: &[Form]) -> Error {
    let names: Vec<&str> = offered.iter().map(|form| form.media_type()).collect();
    let detail = format!("nothing that you accept is given here; there is {}", names.join(", "));
    Error::new(Code::NotAcceptable, detail)
}

/// A media range of an Accept header.
struct Range {
    kind: String,
    precision: Precision,
    /// Thousandths.
    weight: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Subtypes,
    Exact,
}

fn ranges(headers: &HeaderMap) -> Vec<Range> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(Range::read).collect()
}

/// The range that says most of a media type: `text/html;q=0` refuses what
/// `text/*` would take.
fn best_range<'a>(ranges: &'a [Range], media_type: &str) -> Option<&'a Range> {
    ranges.iter().filter(|range| range.covers(media_type)).max_by_key(|range| range.precision)
}

impl Range {
    /// Parameters other than the weight make no difference here.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let kind = parts.next().filter(|kind| !kind.is_empty())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").map(weight)).unwrap_or(1000);
        let precision = match kind.split_once('/') {
            Some(("*", _)) => Precision::Anything,
            Some((_, "*")) => Precision::Subtypes,
            _ => Precision::Exact,
        };
        Some(Self { kind, precision, weight })
    }

    fn covers(&self, media_type: &str) -> bool {
        match self.precision {
            Precision::Anything => true,
            Precision::Subtypes => self.kind.split('/').next() == media_type.split('/').next(),
            Precision::Exact => self.kind == media_type,
        }
    }
}

/// A weight in thousandths. What is none counts as the highest, as if it were
/// not there.
fn weight(text: &str) -> u16 {
    match text.trim().parse::<f32>() {
        Ok(weight) if (0. ..=1.).contains(&weight) => (weight * 1000.).round() as u16,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        choose(&headers, Form::ALL).ok()
    }

    #[test]
    fn the_form_that_is_liked_best() {
        for (accept, form) in [
            ("*/*", Form::Json),
            ("", Form::Json),
            (" , ", Form::Json),
            ("application/*;q=0.5", Form::Json),
            ("Application/JSON; charset=utf-8", Form::Json),
            ("text/html", Form::Page),
            ("text/*", Form::Page),
            ("image/*", Form::Picture),
            ("application/x-ndjson", Form::Lines),
            ("application/x-safetensors", Form::Tensors),
            ("text/html, application/json", Form::Json),
            ("text/html;q=0.9, application/json;q=0.8", Form::Page),
            ("text/html, */*", Form::Page),
            ("text/html, */*;q=0.1", Form::Page),
            ("text/html;q=0.1, */*", Form::Json),
            ("application/json;q=0, */*", Form::Page),
            ("application/json;q=0, application/*", Form::Tensors),
            ("image/png, image/svg+xml;q=0.001", Form::Picture),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Page),
            ("application/json, text/plain, */*", Form::Json),
            ("text/html;q=nan", Form::Page),
            ("text/html;q=7, image/svg+xml;q=-1", Form::Page),
        ] {
            assert_eq!(chosen(accept), Some(form), "{accept}");
        }
    }

    #[test]
    fn what_nobody_accepts() {
        for accept in
            ["image/png", "application/jsonl", "*/*;q=0", "text/html;q=0, text/*", "json", "html/*"]
        {
            assert_eq!(chosen(accept), None, "{accept}");
        }
    }
}
