//! The zip archive that `torch.save` writes since PyTorch 1.6: data.pkl, and one uncompressed
//! file per storage.

use std::collections::BTreeMap;

use super::super::content::Content;
use super::bytes::Bytes;
use super::state::{self, Named};
use super::{Region, machine};

pub const MAGIC: &[u8] = b"PK\x03\x04";

/// Maximum bytes of the central directory. Ten thousand tensors take about 1 MB.
const MAX_DIRECTORY: u64 = 64 << 20;

/// Returns the tensors, and the storages by key.
pub fn read(
    content: &Content,
    length: u64,
) -> Result<(Vec<Named>, BTreeMap<String, Region>), String> {
    let files = files(content, length)?;
    let found =
        files.iter().find_map(|(name, &region)| Some((name.strip_suffix("data.pkl")?, region)));
    let (folder, pickle) = found.ok_or("is an archive without data.pkl")?;
    if let Some(order) = files.get(&format!("{folder}byteorder"))
        && order.bytes == 3
    {
        return Err("was saved on a big-endian machine".to_owned());
    }
    let mut bytes = Bytes::new(content, pickle.start, pickle.start + pickle.bytes);
    let (values, top) = machine::read(&mut bytes)?;
    let tensors = state::tensors(&values, top)?;
    let data = format!("{folder}data/");
    let storages = files.iter();
    let storages =
        storages.filter_map(|(name, &at)| Some((name.strip_prefix(&data)?.to_owned(), at)));
    Ok((tensors, storages.collect()))
}

/// Bytes of the records without their variable parts.
const END: usize = 22;
const LOCATOR: usize = 20;
const END_64: usize = 56;
const ENTRY: usize = 46;
const LOCAL: usize = 30;

fn files(content: &Content, length: u64) -> Result<BTreeMap<String, Region>, String> {
    let (start, bytes) = directory(content, length)?;
    let directory = Record::read(content, start, bytes)?;
    let mut files = BTreeMap::new();
    let mut at = 0;
    while at < directory.0.len() {
        let (name, header, region, next) = entry(&directory, at)?;
        files.insert(name, locate(content, length, header, region)?);
        at = next;
    }
    Ok(files)
}

/// Returns the start and length of the central directory, from the end record or, for zip64
/// archives, from the record before it.
fn directory(content: &Content, length: u64) -> Result<(u64, usize), String> {
    // The end record may be followed by a comment of up to 64 KiB.
    let tail = length.min((LOCATOR + END + 0xffff) as u64);
    let record = Record::read(content, length - tail, tail as usize)?;
    let found = record.0.windows(4).rposition(|four| four == b"PK\x05\x06");
    let end = found.ok_or("is an archive without an end; it may be incomplete")?;
    let (mut bytes, mut start) = (record.u32(end + 12)?, record.u32(end + 16)?);
    if let Some(locator) = end.checked_sub(LOCATOR)
        && record.u32(locator)? == 0x0706_4b50
    {
        let record = Record::read(content, record.u64(locator + 8)?, END_64)?;
        record.expect(0, b"PK\x06\x06")?;
        (bytes, start) = (record.u64(40)?, record.u64(48)?);
    }
    if bytes > MAX_DIRECTORY || start.checked_add(bytes).is_none_or(|end| end > length) {
        return Err(format!("is an archive whose directory of {bytes} bytes is outside the file"));
    }
    Ok((start, bytes as usize))
}

/// Parses a directory entry. Returns the file's name, the offset of its local header, its size,
/// and the position of the next entry.
fn entry(directory: &Record, at: usize) -> Result<(String, u64, u64, usize), String> {
    directory.expect(at, b"PK\x01\x02")?;
    let (flags, method) = (directory.u16(at + 8)?, directory.u16(at + 10)?);
    let [name, extra, comment] =
        [directory.u16(at + 28)?, directory.u16(at + 30)?, directory.u16(at + 32)?];
    let after_name = at + ENTRY + name;
    let text = directory.part(at + ENTRY, name)?;
    let text = String::from_utf8(text.to_vec()).map_err(|_| "has a file name that is not UTF-8")?;
    if flags & 1 != 0 || method != 0 {
        return Err(format!("has {text:?} compressed or encrypted, which torch.save does not"));
    }
    let mut sizes = [directory.u32(at + 24)?, directory.u32(at + 20)?, directory.u32(at + 42)?];
    widen(&mut sizes, &Record(directory.part(after_name, extra)?.to_vec()))?;
    let [bytes, packed, header] = sizes;
    match bytes == packed {
        true => Ok((text, header, bytes, after_name + extra + comment)),
        false => Err(format!("has two different sizes for {text:?}")),
    }
}

/// Replaces sizes that do not fit in 32 bits by those of extra field 1 (zip64), which has them
/// in the same order.
fn widen(sizes: &mut [u64; 3], extra: &Record) -> Result<(), String> {
    let mut at = 0;
    while at + 4 <= extra.0.len() {
        let (kind, bytes) = (extra.u16(at)?, extra.u16(at + 2)?);
        if kind == 1 {
            let wide = sizes.iter_mut().filter(|size| **size == u64::from(u32::MAX));
            for (index, size) in wide.enumerate() {
                *size = extra.u64(at + 4 + 8 * index)?;
            }
            return Ok(());
        }
        at += 4 + bytes;
    }
    Ok(())
}

/// Returns the range of a file's bytes, which start after its local header.
fn locate(content: &Content, length: u64, header: u64, bytes: u64) -> Result<Region, String> {
    let record = Record::read(content, header, LOCAL)?;
    record.expect(0, MAGIC)?;
    let names = record.u16(26)? + record.u16(28)?;
    // Cannot overflow: the header was read, so it is inside the file.
    let start = header + (LOCAL + names) as u64;
    match start.checked_add(bytes).is_some_and(|end| end <= length) {
        true => Ok(Region { start, bytes }),
        false => Err(format!("is an archive with a file of {bytes} bytes that exceeds it")),
    }
}

/// A record with little-endian numbers.
struct Record(Vec<u8>);

impl Record {
    fn read(content: &Content, start: u64, bytes: usize) -> Result<Self, String> {
        let read = content.read_at(start, bytes).map_err(|error| error.to_string())?;
        Ok(Self(read.into_owned()))
    }

    fn part(&self, at: usize, bytes: usize) -> Result<&[u8], String> {
        self.0.get(at..at + bytes).ok_or_else(|| "is an archive with a short record".to_owned())
    }

    fn expect(&self, at: usize, signature: &[u8]) -> Result<(), String> {
        match self.part(at, signature.len())? == signature {
            true => Ok(()),
            false => Err("is an archive with a record at the wrong position".to_owned()),
        }
    }

    fn number(&self, at: usize, bytes: usize) -> Result<u64, String> {
        Ok(self.part(at, bytes)?.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    fn u16(&self, at: usize) -> Result<usize, String> {
        self.number(at, 2).map(|number| number as usize)
    }

    fn u32(&self, at: usize) -> Result<u64, String> {
        self.number(at, 4)
    }

    fn u64(&self, at: usize) -> Result<u64, String> {
        self.number(at, 8)
    }
}
