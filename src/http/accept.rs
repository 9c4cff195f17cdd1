//! Content negotiation: selects the format of a response (RFC 9110).

use axum::http::{HeaderMap, header};

use crate::error::{Code, Error, Result};

/// A format of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Page,
    Picture,
    Tensors,
    /// One result per line, each sent as soon as it is ready.
    Lines,
}

impl Format {
    /// All formats; the first of those that a client prefers equally is selected.
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

/// Selects the format among `offered` that the Accept header prefers: by weight, then specific
/// media types before wildcards, then by order.
pub fn choose(headers: &HeaderMap, offered: &[Format]) -> Result<Format> {
    let ranges = ranges(headers);
    if ranges.is_empty() {
        return offered.first().copied().ok_or_else(|| refusal(offered));
    }
    let rank = |format: &Format| {
        let range = best_range(&ranges, format.media_type())?;
        (range.weight > 0).then_some(((range.weight, range.precision), *format))
    };
    // `max_by_key` returns the last of equal elements, hence `rev`.
    let best = offered.iter().rev().filter_map(rank).max_by_key(|(rank, _)| *rank);
    best.map(|(_, format)| format).ok_or_else(|| refusal(offered))
}

fn refusal(offered: &[Format]) -> Error {
    let names: Vec<&str> = offered.iter().map(|format| format.media_type()).collect();
    let detail = format!("no accepted media type is available; available: {}", names.join(", "));
    Error::new(Code::NotAcceptable, detail)
}

/// A media range of an Accept header.
struct Range {
    kind: String,
    precision: Precision,
    /// Quality value in thousandths.
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

/// The most specific range for a media type: `text/html;q=0` takes precedence over `text/*`.
fn best_range<'a>(ranges: &'a [Range], media_type: &str) -> Option<&'a Range> {
    ranges.iter().filter(|range| range.covers(media_type)).max_by_key(|range| range.precision)
}

impl Range {
    /// Parses a range. Parameters other than the weight are ignored.
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

/// Parses a weight to thousandths. Invalid weights count as 1, like missing ones.
fn weight(text: &str) -> u16 {
    match text.trim().parse::<f32>() {
        Ok(weight) if (0. ..=1.).contains(&weight) => (weight * 1000.).round() as u16,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        choose(&headers, Format::ALL).ok()
    }

    #[test]
    fn preferred_formats() {
        for (accept, format) in [
            ("*/*", Format::Json),
            ("", Format::Json),
            (" , ", Format::Json),
            ("application/*;q=0.5", Format::Json),
            ("Application/JSON; charset=utf-8", Format::Json),
            ("text/html", Format::Page),
            ("text/*", Format::Page),
            ("image/*", Format::Picture),
            ("application/x-ndjson", Format::Lines),
            ("application/x-safetensors", Format::Tensors),
            ("text/html, application/json", Format::Json),
            ("text/html;q=0.9, application/json;q=0.8", Format::Page),
            ("text/html, */*", Format::Page),
            ("text/html, */*;q=0.1", Format::Page),
            ("text/html;q=0.1, */*", Format::Json),
            ("application/json;q=0, */*", Format::Page),
            ("application/json;q=0, application/*", Format::Tensors),
            ("image/png, image/svg+xml;q=0.001", Format::Picture),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Page),
            ("application/json, text/plain, */*", Format::Json),
            ("text/html;q=nan", Format::Page),
            ("text/html;q=7, image/svg+xml;q=-1", Format::Page),
        ] {
            assert_eq!(chosen(accept), Some(format), "{accept}");
        }
    }

    #[test]
    fn unacceptable_formats() {
        for accept in
            ["image/png", "application/jsonl", "*/*;q=0", "text/html;q=0, text/*", "json", "html/*"]
        {
            assert_eq!(chosen(accept), None, "{accept}");
        }
    }
}
