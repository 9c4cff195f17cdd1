//! Arrays of several dimensions.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::number;

/// A flat array that is serialized as nested arrays of `shape`.
pub struct Nested {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Level { shape: &self.shape, values: &self.values }.serialize(serializer)
    }
}

struct Level<'a> {
    shape: &'a [usize],
    values: &'a [f64],
}

impl Serialize for Level<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(self.shape.first().copied())?;
        match self.shape {
            [] | [_] => {
                for &value in self.values {
                    list.serialize_element(&number(value))?;
                }
            }
            [_, inner @ ..] => {
                let size = inner.iter().product::<usize>().max(1);
                for values in self.values.chunks(size) {
                    list.serialize_element(&Level { shape: inner, values })?;
                }
            }
        }
        list.end()
    }
}
