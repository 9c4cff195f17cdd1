//! Tensors: their elements, and their binary form.

use serde::Serialize;

use crate::error::{Code, Error, Result};

/// The elements of a tensor, row-major.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Elements {
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

/// A tensor of a response.
pub struct Tensor {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub elements: Elements,
}

impl Elements {
    /// Returns the name of their type in the protocol.
    pub fn datatype(&self) -> &'static str {
        match self {
            Self::Texts(_) => "BYTES",
            Self::Floats(_) => "FP32",
            Self::Integers(_) => "INT64",
        }
    }

    /// Returns the length of the binary form.
    pub fn byte_len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.iter().map(|text| size_of::<u32>() + text.len()).sum(),
            Self::Floats(numbers) => size_of_val(numbers.as_slice()),
            Self::Integers(numbers) => size_of_val(numbers.as_slice()),
        }
    }

    /// Writes the binary form: little-endian numbers, and texts after their lengths.
    pub fn write(&self, mut write: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Self::Texts(texts) => texts.iter().try_for_each(|text| {
                let length = u32::try_from(text.len()).map_err(Error::internal)?;
                write(&length.to_le_bytes())?;
                write(text.as_bytes())
            }),
            Self::Floats(numbers) => numbers.iter().try_for_each(|x| write(&x.to_le_bytes())),
            Self::Integers(numbers) => numbers.iter().try_for_each(|x| write(&x.to_le_bytes())),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Floats(numbers) => numbers.len(),
            Self::Integers(numbers) => numbers.len(),
        }
    }
}

/// Reads texts in binary form, each after its length.
///
/// # Errors
/// A message without the name of the tensor.
pub fn texts(mut bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let number = texts.len();
        let cut = || format!("element {number} is longer than its data");
        let (length, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        let text = std::str::from_utf8(text).map_err(|_| format!("element {number} is not UTF-8"));
        texts.push(text?.to_owned());
        bytes = rest;
    }
    Ok(texts)
}

/// What one input contributes to a tensor.
pub struct Part {
    pub shape: Vec<usize>,
    pub elements: Elements,
}

impl Part {
    /// A part with one element.
    pub fn one(elements: Elements) -> Self {
        Self { shape: Vec::new(), elements }
    }

    /// A part with one dimension.
    pub fn list(elements: Elements) -> Self {
        Self { shape: vec![elements.len()], elements }
    }
}

/// Joins the parts of all inputs to a tensor with inputs as its first dimension. Shorter parts are
/// padded with empty texts or 0. Fails if it would have more than `limit` bytes.
pub fn stack(name: &'static str, parts: Vec<Part>, limit: usize) -> Result<Tensor> {
    let dimensions = parts.first().map_or(0, |part| part.shape.len());
    let longest = |axis| parts.iter().map(|part| part.shape[axis]).max().unwrap_or_default();
    let shape: Vec<usize> =
        std::iter::once(parts.len()).chain((0..dimensions).map(longest)).collect();
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    let Some(count) = count.filter(|count| count.saturating_mul(size_of::<f32>()) <= limit) else {
        let detail = format!(
            "{name} of shape {shape:?} has more than {limit} bytes; send fewer or shorter inputs, \
             or select layers and heads of attention"
        );
        return Err(Error::new(Code::ResponseTooLarge, detail).at("/outputs"));
    };
    let sizes = &shape[1..];
    let elements = match parts.first().map(|part| &part.elements) {
        Some(Elements::Texts(_)) | None => {
            Elements::Texts(padded(count, sizes, parts, |elements| match elements {
                Elements::Texts(texts) => texts,
                Elements::Floats(_) | Elements::Integers(_) => Vec::new(),
            }))
        }
        Some(Elements::Floats(_)) => {
            Elements::Floats(padded(count, sizes, parts, |elements| match elements {
                Elements::Floats(numbers) => numbers,
                Elements::Texts(_) | Elements::Integers(_) => Vec::new(),
            }))
        }
        Some(Elements::Integers(_)) => {
            Elements::Integers(padded(count, sizes, parts, |elements| match elements {
                Elements::Integers(numbers) => numbers,
                Elements::Texts(_) | Elements::Floats(_) => Vec::new(),
            }))
        }
    };
    Ok(Tensor { name, shape, elements })
}

/// Places each part in a block of these `sizes`.
fn padded<T: Clone + Default>(
    count: usize,
    sizes: &[usize],
    parts: Vec<Part>,
    values: impl Fn(Elements) -> Vec<T>,
) -> Vec<T> {
    let mut all = vec![T::default(); count];
    let block: usize = sizes.iter().product();
    for (number, part) in parts.into_iter().enumerate() {
        for (index, value) in values(part.elements).into_iter().enumerate() {
            all[number * block + moved(index, &part.shape, sizes)] = value;
        }
    }
    all
}

/// Converts the index of an element from one shape to a larger one.
fn moved(index: usize, from: &[usize], to: &[usize]) -> usize {
    let (mut rest, mut at, mut stride) = (index, 0, 1);
    for (from, to) in from.iter().zip(to).rev() {
        at += rest % from * stride;
        rest /= from;
        stride *= to;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_texts_are_read_as_they_are_written() {
        let written = Elements::Texts(vec!["é".into(), String::new(), "abc".into()]);
        let mut bytes = Vec::new();
        let append = |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok(())
        };
        written.write(append).unwrap();
        assert_eq!(bytes.len(), written.byte_len());
        assert_eq!(bytes[..6], [2, 0, 0, 0, 0xc3, 0xa9]);
        assert_eq!(Elements::Texts(texts(&bytes).unwrap()), written);
        assert_eq!(texts(&bytes[..3]).unwrap_err(), "element 0 is longer than its data");
        assert_eq!(texts(&bytes[..12]).unwrap_err(), "element 2 is longer than its data");
        assert_eq!(
            texts(&[0xff, 0xff, 0xff, 0xff, 1]).unwrap_err(),
            "element 0 is longer than its data"
        );
        assert_eq!(texts(&[1, 0, 0, 0, 0xff]).unwrap_err(), "element 0 is not UTF-8");
    }

    #[test]
    fn shorter_parts_are_padded() {
        let matrix = |rows: usize, columns: usize| Part {
            shape: vec![rows, columns],
            elements: Elements::Floats((0..rows * columns).map(|x| 1. + x as f32).collect()),
        };
        let tensor = stack("x", vec![matrix(1, 2), matrix(2, 1)], 1 << 10).unwrap();
        assert_eq!(tensor.shape, [2, 2, 2]);
        assert_eq!(tensor.elements, Elements::Floats(vec![1., 2., 0., 0., 1., 0., 2., 0.]));
        let texts =
            |texts: &[&str]| Part::list(Elements::Texts(texts.iter().map(|&t| t.into()).collect()));
        let tensor = stack("x", vec![texts(&["a"]), texts(&["b", "c"])], 1 << 10).unwrap();
        assert_eq!(tensor.elements, Elements::Texts(["a", "", "b", "c"].map(String::from).into()));
        let one = |x| Part::one(Elements::Integers(vec![x]));
        let tensor = stack("x", vec![one(3), one(4)], 1 << 10).unwrap();
        assert_eq!((tensor.shape, tensor.elements), (vec![2], Elements::Integers(vec![3, 4])));
    }

    #[test]
    fn padding_is_limited() {
        let long = |length: usize| Part {
            shape: vec![length, 1 << 20],
            elements: Elements::Floats(Vec::new()),
        };
        let error = stack("x", vec![long(1 << 20), long(usize::MAX)], 1 << 30).err().unwrap();
        assert_eq!(error.code, Code::ResponseTooLarge);
    }
}
