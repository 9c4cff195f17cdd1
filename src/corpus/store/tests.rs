use std::fs;
use std::path::PathBuf;

use super::*;
use crate::corpus::{Embedded, Representation, Sample, SearchQuery};
use crate::random::Generator;
use crate::rows::{PooledState, StatePooling};

const WIDTH: usize = 9;

fn key() -> Key {
    let state = PooledState { layer: 4, pooling: StatePooling::Mean };
    Key {
        revision: "sha256:aa".to_owned(),
        digest: "sha256:bb".to_owned(),
        representation: Representation::State(state),
    }
}

fn index(rows: usize) -> Index {
    let mut generator = Generator::stream(21, 0);
    let sample = |row: usize| Sample {
        id: format!("id-{row}"),
        text: format!("文 {row}"),
        text_pair: None,
        label: "0".to_owned(),
    };
    let samples: Vec<Sample> = (0..rows).map(sample).collect();
    let embedded = Embedded {
        width: WIDTH,
        vectors: (0..rows * WIDTH).map(|_| generator.normal() as f32).collect(),
        labels: (0..rows).map(|row| (row % 3 == 0).into()).collect(),
        predicted: (0..rows).map(|row| (row % 2 == 0).into()).collect(),
        probabilities: (0..rows).map(|_| generator.uniform()).collect(),
        frequencies: Frequencies { samples: rows, of_piece: (0..7).collect() },
    };
    Index::new(key(), &samples, embedded, &|_, _| {}).unwrap()
}

/// Returns a temporary folder and the path of an index stored in it.
fn stored(rows: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deeper/reviews.index");
    write(&path, &index(rows)).unwrap();
    (folder, path)
}

fn rejection(path: &Path, key: &Key) -> String {
    open(path, key).err().expect("the file is rejected").to_string()
}

#[test]
fn a_reopened_index_gives_the_same_results() {
    let (_folder, path) = stored(200);
    let (made, read) = (index(200), open(&path, &key()).unwrap());
    let mut generator = Generator::stream(22, 0);
    assert_eq!(made.frequencies, read.frequencies);
    for predicted in [0, 1] {
        let vector: Vec<f32> = (0..WIDTH).map(|_| generator.normal() as f32).collect();
        let query = SearchQuery { vector: &vector, predicted, neighbours: 7 };
        let found = made.find(query).unwrap();
        assert_eq!(found, read.find(query).unwrap());
        assert!(found.neighbours[0].text.starts_with("文 "), "{found:?}");
    }
    // No partial file remains.
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_with_another_key_is_rejected() {
    let (_folder, path) = stored(20);
    let other = |change: fn(&mut Key)| {
        let mut key = key();
        change(&mut key);
        rejection(&path, &key)
    };
    assert!(other(|key| key.revision = "sha256:cc".to_owned()).contains("another model sha256:aa"));
    assert!(other(|key| key.digest = "sha256:cc".to_owned()).contains("another corpus"));
    assert!(other(|key| key.representation = Representation::Gradient).contains("similarity"));
    let first = PooledState { layer: 4, pooling: StatePooling::First };
    let mut key = key();
    key.representation = Representation::State(first);
    assert!(rejection(&path, &key).contains("similarity"));
}

#[test]
fn a_truncated_file_is_rejected() {
    let (_folder, path) = stored(20);
    let whole = fs::read(&path).unwrap();
    for length in [0, 4, 8, 20, 60, 130, 200, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        rejection(&path, &key());
    }
    let longer = [whole.as_slice(), b"x"].concat();
    fs::write(&path, longer).unwrap();
    assert!(rejection(&path, &key()).contains("wrong length"));
}

#[test]
fn a_corrupted_byte_anywhere_is_rejected() {
    let (_folder, path) = stored(20);
    let whole = fs::read(&path).unwrap();
    for offset in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[offset] ^= 0x40;
        fs::write(&path, &damaged).unwrap();
        rejection(&path, &key());
    }
    fs::write(&path, &whole).unwrap();
    assert!(open(&path, &key()).is_ok());
}

/// A header with huge counts is rejected before anything is allocated.
#[test]
fn huge_counts_are_rejected() {
    let (_folder, path) = stored(20);
    let whole = fs::read(&path).unwrap();
    for offset in [16, 24, 32, 40, 48] {
        let mut damaged = whole.clone();
        damaged[offset..offset + 8].copy_from_slice(&u64::MAX.to_ne_bytes());
        fs::write(&path, &damaged).unwrap();
        assert!(rejection(&path, &key()).contains("wrong length"));
    }
}
