//! Weights written by torch.save, and malformed or malicious pickles.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::DType;
use proptest::prelude::*;
use serde_json::json;

use super::{copy, load, logits, rejected, with_tensors};

const WEIGHTS: &str = "pytorch_model.bin";

fn saved(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pickle").join(name)
}

/// Replaces the safetensors file with a pickle.
fn replace_weights(folder: &Path, data: &[u8]) {
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    fs::write(folder.join(WEIGHTS), data).unwrap();
}

fn rejected_data(data: &[u8], words: &[&str]) {
    rejected(|folder| replace_weights(folder, data), &[&[WEIGHTS], words].concat());
}

#[test]
fn an_archive_loads_as_the_same_model() {
    let folder = copy();
    let model = load(folder.path()).unwrap();
    replace_weights(folder.path(), &fs::read(saved("bert-tiny.bin")).unwrap());
    let pickled = load(folder.path()).unwrap();
    assert_eq!(logits(&pickled), logits(&model));
    assert_ne!(pickled.revision, model.revision);
}

/// The file has float16 and transposed tensors, gamma and beta, and a shared storage.
#[test]
fn the_legacy_format_loads_as_the_same_model() {
    let folder = copy();
    with_tensors(folder.path(), |tensors| {
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_dtype(DType::F16).unwrap();
        }
    });
    let rounded = logits(&load(folder.path()).unwrap());
    replace_weights(folder.path(), &fs::read(saved("bert-tiny-legacy.bin")).unwrap());
    assert_eq!(logits(&load(folder.path()).unwrap()), rounded);
}

#[test]
fn sharded_pickles() {
    let folder = copy();
    let whole = logits(&load(folder.path()).unwrap());
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let shard = "pytorch_model-00001-of-00001.bin";
    fs::copy(saved("bert-tiny.bin"), folder.path().join(shard)).unwrap();
    let index = json!({"weight_map": {"classifier.bias": shard}});
    fs::write(folder.path().join("pytorch_model.bin.index.json"), index.to_string()).unwrap();
    assert_eq!(logits(&load(folder.path()).unwrap()), whole);
}

/// Returns a file in the legacy format with this pickle as its tensors.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    [magic, pickle].concat()
}

#[test]
fn no_code_is_executed() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("run");
    let command = format!("touch {}", marker.display());
    let mut pickle = b"\x80\x02cposix\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    rejected_data(&legacy(&pickle), &["posix.system", "it was not executed"]);
    let built_in = b"\x80\x02c__builtin__\neval\nX\x01\0\0\x001\x85R.";
    rejected_data(&legacy(built_in), &["__builtin__.eval"]);
    assert!(!marker.exists());
}

#[test]
fn malformed_and_huge_pickles_are_rejected() {
    let deep = [b"\x80\x02)".as_slice(), &[0x85; 1_000_000], b"."].concat();
    let doubled = b"h\0h\0\x86q\0".repeat(200);
    let doubled = [b"\x80\x02)q\0".as_slice(), &doubled, b"."].concat();
    let endless = [b"\x80\x02".as_slice(), &b"N".repeat(3_000_000)].concat();
    for (pickle, word) in [
        (b"\x80\x02X\xff\xff\xff\xff".to_vec(), "ends in the middle"),
        (b"\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(), "ends in the middle"),
        (b"\x80\x02\x8a\xff".to_vec(), "64 bits"),
        (b"\x80\x02h\x07.".to_vec(), "not in its memo"),
        (b"\x80\x02R.".to_vec(), "pops from an empty stack"),
        (b"\x80\x02t.".to_vec(), "pops from an empty stack"),
        (b"\x80\x02}(NNNu.".to_vec(), "a key without a value"),
        (b"\x80\x02NNs.".to_vec(), "pops from an empty stack"),
        (b"\x80\x02NNNs.".to_vec(), "not a container"),
        (b"\x80\x02\x00.".to_vec(), "0x00"),
        (b"\x80\x02cos".to_vec(), "ends in the middle"),
        (b"\x80\x02N.".to_vec(), "not a dictionary"),
        (deep, "not a dictionary"),
        (doubled, "not a dictionary"),
        (endless, "instructions"),
        (b"\x80\x02}.\x80\x02N.".to_vec(), "no list of its storages"),
        (b"\x80\x02}.\x80\x02](X\x01\0\0\0ae.".to_vec(), "an unused storage"),
        (b"\x80\x02}.\x80\x02].".to_vec(), "no tensor bert"),
    ] {
        rejected_data(&legacy(&pickle), &[word]);
    }
}

/// Returns a file with 3 floats and a tensor `classifier.bias` of these pickled parts.
fn with_tensor(offset: &str, size: &str, stride: &str, count: &str) -> Vec<u8> {
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
fn tensors_outside_of_their_storage_are_rejected() {
    let (three, four, unit) = ("(K\x03t", "(K\x04t", "(K\x01t");
    let huge = "(J\x7f\x7f\x7f\x7fJ\x7f\x7f\x7f\x7fJ\x7f\x7f\x7f\x7ft";
    let name = "tensor classifier.bias";
    // Valid and unusable tensors cause no error until they are requested; the encoder's tensors,
    // which are requested first, are missing.
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
        rejected_data(&with_tensor(offset, size, stride, count), &words);
    }
}

/// Returns the committed archive with some bytes changed.
fn archive(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut data = fs::read(saved("bert-tiny.bin")).unwrap();
    edit(&mut data);
    data
}

/// Returns the offsets of `pattern` in `data`.
fn offsets(data: &[u8], pattern: &[u8]) -> Vec<usize> {
    (0..data.len() - pattern.len()).filter(|&at| data[at..].starts_with(pattern)).collect()
}

#[test]
fn invalid_archives_are_rejected() {
    // In the central directory, a name is 46 bytes after the start of its entry.
    let entry = |data: &[u8]| offsets(data, b"bert-tiny/data/17")[1] - 46;
    for (data, word) in [
        (archive(|data| data.truncate(data.len() / 2)), "without an end"),
        (archive(|data| data.truncate(3)), "not written by torch.save"),
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
            "exceeds it",
        ),
        (
            archive(|data| {
                let at = entry(data);
                data[at + 24] ^= 1;
            }),
            "two different sizes",
        ),
        (
            archive(|data| {
                let at = entry(data);
                data[at + 42] ^= 1;
            }),
            "wrong position",
        ),
        (
            archive(|data| {
                // Rename the storage in the directory, so that its tensor has none.
                let at = entry(data) + 46;
                data[at + 15] = b'x';
            }),
            "which is missing",
        ),
        (
            archive(|data| {
                let at = offsets(data, b"little")[0];
                data[at..at + 6].copy_from_slice(b"middle");
                let at = offsets(data, b"bert-tiny/byteorder")[1] - 46;
                data[at + 20] = 3;
                data[at + 24] = 3;
            }),
            "big-endian",
        ),
    ] {
        rejected_data(&data, &[word]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A damaged file loads or is rejected, without a panic.
    #[test]
    fn damaged_files(
        file in prop::sample::select(vec!["bert-tiny.bin", "bert-tiny-legacy.bin"]),
        changes in prop::collection::vec((0..12_000_usize, any::<u8>()), 1..6),
    ) {
        let mut data = fs::read(saved(file)).unwrap();
        for (offset, byte) in changes {
            // The pickle is at the beginning, the archive's directory at the end.
            let at = if offset < 6_000 { offset } else { data.len() + offset - 12_000 };
            data[at] = byte;
        }
        let folder = copy();
        replace_weights(folder.path(), &data);
        let _ = load(folder.path());
    }

    #[test]
    fn damaged_headers(changes in prop::collection::vec((0..4_500_usize, any::<u8>()), 1..6)) {
        let folder = copy();
        let path = folder.path().join("model.safetensors");
        let mut data = fs::read(&path).unwrap();
        for (offset, byte) in changes {
            data[offset] = byte;
        }
        fs::write(path, data).unwrap();
        let _ = load(folder.path());
    }
}
