//! The format of `torch.save` before PyTorch 1.6: five pickles (a magic number, the version,
//! information about the machine, the tensors, the keys of the storages), then the storages,
//! each as a count and its elements.

use std::collections::BTreeMap;

use super::super::content::Content;
use super::Region;
use super::bytes::Bytes;
use super::machine::{self, Id, Value, Values};
use super::state::{self, Named, Storage};

/// The pickle of the magic number 0x1950a86a20f9469cfc6c.
pub const MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

const VERSION: u64 = 1001;

/// Returns the tensors, and the storages by key.
pub fn read(
    content: &Content,
    length: u64,
) -> Result<(Vec<Named>, BTreeMap<String, Region>), String> {
    let mut bytes = Bytes::new(content, MAGIC.len() as u64, length);
    let (values, version) = machine::read(&mut bytes)?;
    if values.count(version) != Some(VERSION) {
        return Err("is of an unknown version of torch.save".to_owned());
    }
    let (values, machine) = machine::read(&mut bytes)?;
    if is_big_endian(&values, machine) {
        return Err("was saved on a big-endian machine".to_owned());
    }
    let (values, top) = machine::read(&mut bytes)?;
    let tensors = state::tensors(&values, top)?;
    let known = storages(&values);
    let (values, keys) = machine::read(&mut bytes)?;
    let Value::List(keys) = values.get(keys) else {
        return Err("has no list of its storages".to_owned());
    };
    let mut start = bytes.position();
    let mut regions = BTreeMap::new();
    for &key in keys {
        let storage = values.text(key).and_then(|key| known.get(key));
        let region = region(content, length, start, storage.ok_or("has an unused storage")?)?;
        start = region.start + region.bytes;
        regions.extend(values.text(key).map(|key| (key.to_owned(), region)));
    }
    Ok((tensors, regions))
}

fn is_big_endian(values: &Values, facts: Id) -> bool {
    let Value::Dict(facts) = values.get(facts) else { return false };
    let little = facts.iter().find(|(key, _)| values.text(*key) == Some("little_endian"));
    little.is_some_and(|(_, value)| matches!(values.get(*value), Value::Bool(false)))
}

/// Returns the storages that a pickle refers to, by key.
fn storages(values: &Values) -> BTreeMap<String, Storage> {
    let named = values.iter().filter_map(|value| match value {
        Value::Persistent(name) => state::storage(values, *name),
        _ => None,
    });
    named.map(|storage| (storage.key.clone(), storage)).collect()
}

/// Returns the byte range of the storage whose count is at `start`.
fn region(content: &Content, length: u64, start: u64, storage: &Storage) -> Result<Region, String> {
    const COUNT: u64 = 8;
    let count = content.read_at(start, COUNT as usize).map_err(|error| error.to_string())?;
    let count = count.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
    let range = || {
        let bytes = count.checked_mul(element_size(&storage.class)?)?;
        let start = start + COUNT;
        let valid = start.checked_add(bytes)? <= length && count == storage.count;
        valid.then_some(Region { start, bytes })
    };
    range().ok_or_else(|| {
        format!("has a storage of {count} elements, but its pickle says {}", storage.count)
    })
}

/// Returns the bytes per element of a storage class.
fn element_size(class: &str) -> Option<u64> {
    match class {
        "DoubleStorage" | "LongStorage" => Some(8),
        "FloatStorage" | "IntStorage" => Some(4),
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => Some(2),
        "ByteStorage" | "CharStorage" | "BoolStorage" => Some(1),
        _ => None,
    }
}
