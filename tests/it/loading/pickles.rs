//! Weights that torch.save wrote, and files that pretend it did.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::DType;
use proptest::prelude::*;
use serde_json::json;

use super::{copy, load, logits, refused, with_tensors};

const WEIGHTS: &str = "pytorch_model.bin";

fn saved(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pickle").join(name)
}

/// Puts `data` in the place of the safetensors file.
fn put(folder: &Path, data: &[u8]) {
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    fs::write(folder.join(WEIGHTS), data).unwrap();
}

fn refused_data(data: &[u8], words: &[&str]) {
    refused(|folder| put(folder, data), &[&[WEIGHTS], words].concat());
}

#[test]
fn an_archive_makes_the_same_model() {
    let folder = copy();
    let model = load(folder.path()).unwrap();
    put(folder.path(), &fs::read(saved("bert-tiny.bin")).unwrap());
    let pickled = load(folder.path()).unwrap();
    assert_eq!(logits(&pickled), logits(&model));
    assert_ne!(pickled.revision, model.revision);
}

/// float16, transposed, gamma and beta, one storage for several tensors.
#[test]
fn the_old_format_makes_the_same_model() {
    let folder = copy();
    with_tensors(folder.path(), |tensors| {
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_dtype(DType::F16).unwrap();
        }
    });
    let rounded = logits(&load(folder.path()).unwrap());
    put(folder.path(), &fs::read(saved("bert-tiny-legacy.bin")).unwrap());
    assert_eq!(logits(&load(folder.path()).unwrap()), rounded);
}

#[test]
fn an_index_of_pickles() {
    let folder = copy();
    let whole = logits(&load(folder.path()).unwrap());
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let shard = "pytorch_model-00001-of-00001.bin";
    fs::copy(saved("bert-tiny.bin"), folder.path().join(shard)).unwrap();
    let index = json!({"weight_map": {"classifier.bias": shard}});
    fs::write(folder.path().join("pytorch_model.bin.index.json"), index.to_string()).unwrap();
    assert_eq!(logits(&load(folder.path()).unwrap()), whole);
}

/// A file in the old format whose tensors are this pickle.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    [magic, pickle].concat()
}

#[test]
fn nothing_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("run");
    let command = format!("touch {}", witness.display());
    let mut pickle = b"\x80\x02cposix\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    refused_data(&legacy(&pickle), &["posix.system", "nothing of it was run"]);
    let built_in = b"\x80\x02c__builtin__\neval\nX\x01\0\0\x001\x85R.";
    refused_data(&legacy(built_in), &["__builtin__.eval"]);
    assert!(!witness.exists());
}

#[test]
fn pickles_that_want_too_much() {
    let deep = [b"\x80\x02)".as_slice(), &[0x85; 1_000_000], b"."].concat();
    let doubled = b"h\0h\0\x86q\0".repeat(200);
    let doubled = [b"\x80\x02)q\0".as_slice(), &doubled, b"."].concat();
    let endless = [b"\x80\x02".as_slice(), &b"N".repeat(3_000_000)].concat();
    for (pickle, word) in [
        (b"\x80\x02X\xff\xff\xff\xff".to_vec(), "ends in the middle"),
        (b"\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(), "ends in the middle"),
        (b"\x80\x02\x8a\xff".to_vec(), "64 bits"),
        (b"\x80\x02h\x07.".to_vec(), "not noted"),
        (b"\x80\x02R.".to_vec(), "takes more than it gave"),
        (b"\x80\x02t.".to_vec(), "takes more than it gave"),
        (b"\x80\x02}(NNNu.".to_vec(), "a key without a value"),
        (b"\x80\x02NNs.".to_vec(), "takes more than it gave"),
        (b"\x80\x02NNNs.".to_vec(), "no container"),
        (b"\x80\x02\x00.".to_vec(), "0x00"),
        (b"\x80\x02cos".to_vec(), "ends in the middle"),
        (b"\x80\x02N.".to_vec(), "no dictionary"),
        (deep, "no dictionary"),
        (doubled, "no dictionary"),
        (endless, "instructions"),
        (b"\x80\x02}.\x80\x02N.".to_vec(), "no list of its storages"),
        (b"\x80\x02}.\x80\x02](X\x01\0\0\0ae.".to_vec(), "a storage of no tensor"),
        (b"\x80\x02}.\x80\x02].".to_vec(), "no tensor bert"),
    ] {
        refused_data(&legacy(&pickle), &[word]);
    }
}

/// A tensor `classifier.bias` by its parts, each pickled, in a file with 3 floats.
fn described(offset: &str, size: &str, stride: &str, count: &str) -> Vec<u8> {
    let mut pickle = b"\x80\x02}X\x0f\0\0\0classifier.bias".to_vec();
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n(");
    pickle.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0aX\x03\0\0\0cpu");
    pickle.extend([count, "NtQ", offset, size, stride].map(str::as_bytes).concat());
    pickle.extend(b"\x89}tRs.\x80\x02](X\x01\0\0\0ae.");
    pickle.extend(3_u64.to_le_bytes());
    pickle.extend([0; 12]);
    legacy(&pickle)
}

#[test]
fn tensors_that_are_not_in_their_storage() {
    let (three, four, unit) = ("(K\x03t", "(K\x04t", "(K\x01t");
    let huge = "(J\x7f\x7f\x7f\x7fJ\x7f\x7f\x7f\x7fJ\x7f\x7f\x7f\x7ft";
    let name = "tensor classifier.bias";
    // Of a tensor that is good, or cannot be used, nothing is said before it is
    // asked for; the encoder's are missing.
    let missing = "no tensor bert";
    for (offset, size, stride, count, words) in [
        ("K\0", three, unit, "K\x03", [missing, ""]),
        ("K\x01", three, unit, "K\x03", [name, "does not fit"]),
        ("J\0\0\0\x7f", three, unit, "K\x03", [name, "does not fit"]),
        ("K\0", four, unit, "K\x03", [name, "does not fit"]),
        ("K\0", huge, huge, "K\x03", [missing, ""]),
        ("K\0", three, unit, "K\x04", ["a storage of 3 elements", "says 4"]),
        ("N", three, unit, "K\x03", [missing, ""]),
        ("K\0", three, "(t", "K\x03", [missing, ""]),
    ] {
        refused_data(&described(offset, size, stride, count), &words);
    }
}

/// The committed archive with some bytes changed.
fn archive(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut data = fs::read(saved("bert-tiny.bin")).unwrap();
    edit(&mut data);
    data
}

/// The places of `what` in `data`.
fn places(data: &[u8], what: &[u8]) -> Vec<usize> {
    (0..data.len() - what.len()).filter(|&at| data[at..].starts_with(what)).collect()
}

#[test]
fn archives_that_lie() {
    // In the directory, a name is 46 bytes after its entry's signature.
    let entry = |data: &[u8]| places(data, b"bert-tiny/data/17")[1] - 46;
    for (data, word) in [
        (archive(|data| data.truncate(data.len() / 2)), "without an end"),
        (archive(|data| data.truncate(3)), "no file of torch.save"),
        (
            archive(|data| {
                let at = entry(data);
                data[at + 10] = 8;
            }),
            "compressed",
        ),
        (
            archive(|data| {
                let at = entry(data);
                data[at + 20..at + 28].copy_from_slice(&[0, 0, 0, 0x70, 0, 0, 0, 0x70]);
            }),
            "not in it",
        ),
        (
            archive(|data| {
                let at = entry(data);
                data[at + 24] ^= 1;
            }),
            "two lengths",
        ),
        (
            archive(|data| {
                let at = entry(data);
                data[at + 42] ^= 1;
            }),
            "not where it says",
        ),
        (
            archive(|data| {
                // The storage's name in the directory: its tensor has none then.
                let at = entry(data) + 46;
                data[at + 15] = b'x';
            }),
            "which is not there",
        ),
        (
            archive(|data| {
                let at = places(data, b"little")[0];
                data[at..at + 6].copy_from_slice(b"middle");
                let at = places(data, b"bert-tiny/byteorder")[1] - 46;
                data[at + 20] = 3;
                data[at + 24] = 3;
            }),
            "big-endian",
        ),
    ] {
        refused_data(&data, &[word]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever becomes of a file's description, it is read or refused.
    #[test]
    fn damaged_files(
        file in prop::sample::select(vec!["bert-tiny.bin", "bert-tiny-legacy.bin"]),
        changes in prop::collection::vec((0..12_000_usize, any::<u8>()), 1..6),
    ) {
        let mut data = fs::read(saved(file)).unwrap();
        for (place, byte) in changes {
            // The pickle lies at the beginning, the archive's directory at the end.
            let at = if place < 6_000 { place } else { data.len() + place - 12_000 };
            data[at] = byte;
        }
        let folder = copy();
        put(folder.path(), &data);
        let _ = load(folder.path());
    }

    #[test]
    fn damaged_headers(changes in prop::collection::vec((0..4_500_usize, any::<u8>()), 1..6)) {
        let folder = copy();
        let path = folder.path().join("model.safetensors");
        let mut data = fs::read(&path).unwrap();
        for (place, byte) in changes {
            data[place] = byte;
        }
        fs::write(path, data).unwrap();
        let _ = load(folder.path());
    }
}
