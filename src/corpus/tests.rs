use std::fs;
use std::path::PathBuf;

use super::*;

const LIMITS: Limits = Limits { rows: 1_000, bytes: 1 << 20 };

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpora").join(name)
}

fn read(path: &Path) -> Result<Vec<Sample>, CorpusError> {
    Ok(Content::read(path, LIMITS)?.corpus(LIMITS)?.samples)
}

fn read_as(name: &str, content: impl AsRef<[u8]>) -> Result<Vec<Sample>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    read(&path).map_err(|error| error.to_string())
}

fn sample(id: &str, text: &str, label: &str) -> Sample {
    Sample { id: id.to_owned(), text: text.to_owned(), text_pair: None, label: label.to_owned() }
}

#[test]
fn all_formats_give_the_same_samples() {
    let expected = [
        sample("a", "so \"good\", truly", "POSITIVE"),
        sample("b", "dull\nand long", "NEGATIVE"),
        sample("c", "真的很棒", "POSITIVE"),
    ];
    for name in [
        "reviews.jsonl",
        "reviews.csv",
        "reviews-none.parquet",
        "reviews-snappy.parquet",
        "reviews-zstd.parquet",
    ] {
        assert_eq!(read(&data(name)).unwrap(), expected, "{name}");
    }
}

#[test]
fn tsv_with_and_without_header() {
    let expected = [sample("0", "so \"good\"", "1"), sample("1", "dull", "0")];
    assert_eq!(read_as("a.tsv", "so \"good\"\t1\r\ndull\t0\n\n").unwrap(), expected);
    assert_eq!(read_as("a.tsv", "label\tsentence\n1\tso \"good\"\n0\tdull\n").unwrap(), expected);
    let with_id = read_as("a.tsv", "text\tlabel\tid\ndull\t0\tx7\n").unwrap();
    assert_eq!(with_id, [sample("x7", "dull", "0")]);
    assert_eq!(read_as("a.tsv", "dull\t0\tx7\n").unwrap(), with_id);
}

/// Reads a file whose labels are not needed.
fn texts_as(name: &str, content: impl AsRef<[u8]>) -> Result<Vec<Sample>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let read = Content::read(&path, LIMITS).and_then(|content| content.texts(LIMITS));
    read.map(|corpus| corpus.samples).map_err(|error| error.to_string())
}

#[test]
fn texts_need_no_labels() {
    let expected = [sample("0", "so good", ""), sample("1", "dull", "0")];
    for (name, content) in [
        ("a.tsv", "so good\ndull\t0\n"),
        ("a.csv", "text,label\nso good,\ndull,0\n"),
        ("a.jsonl", "{\"text\": \"so good\"}\n{\"text\": \"dull\", \"label\": 0}\n"),
    ] {
        assert_eq!(texts_as(name, content).unwrap(), expected, "{name}");
        assert!(read_as(name, content).unwrap_err().contains("label"), "{name}");
    }
    let without = [sample("0", "so good", "")];
    assert_eq!(texts_as("a.tsv", "sentence\nso good\n").unwrap(), without);
    assert_eq!(texts_as("a.csv", "review\nso good\n").unwrap(), without);
    assert!(texts_as("a.csv", "label\n1\n").unwrap_err().contains("no column text"));
}

#[test]
fn labels_may_be_numbers() {
    let expected = [sample("0", "so good", "1"), sample("1", "dull", "0")];
    let lines = "{\"text\": \"so good\", \"label\": 1}\n{\"text\": \"dull\", \"label\": false}\n";
    assert_eq!(read_as("a.jsonl", lines).unwrap(), expected);
    let whole = read(&data("whole.parquet")).unwrap();
    assert_eq!(whole.iter().map(|s| s.label.as_str()).collect::<Vec<_>>(), ["1", "0", "1"]);
    assert_eq!(whole[2].id, "2");
}

#[test]
fn errors_name_the_file_the_row_and_the_field() {
    let broken_csv = "text,label\n\"a\nb\",1\nc\n";
    for (name, content, parts) in [
        ("a.jsonl", "{\"text\": \"x\", \"label\": 1}\n{\"text\": 1}", ["a.jsonl, line 2", "text"]),
        ("a.jsonl", "\n{\"text\": \"x\"}", ["line 2", "no label"]),
        ("a.jsonl", "{", ["line 1", "EOF"]),
        ("a.jsonl", "{\"text\": \" \", \"label\": 1}", ["line 1", "text is empty"]),
        ("a.tsv", "good\t1\nno label\n", ["line 2", "no label"]),
        ("a.tsv", "text\tlable\ngood\t1\n", ["line 1", "no column label"]),
        ("a.csv", "words,label\ngood,1\n", ["line 1", "no column text"]),
        ("a.csv", broken_csv, ["line 4", "1 fields"]),
        ("a.csv", "text,label\ngood,\n", ["line 2", "label is empty"]),
        ("a.parquet", "not a parquet file", ["a.parquet", "arquet"]),
        ("a.txt", "good\t1\n", [".jsonl", ".parquet"]),
        ("a.tsv", "\n", ["a.tsv", "no sample"]),
    ] {
        let error = read_as(name, content).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{name}: {error}");
    }
    let error = read_as("a.jsonl", b"{\"text\": \"x\", \"label\": 1}\n\xFF").unwrap_err();
    assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
    let error = read(&data("null.parquet")).unwrap_err().to_string();
    assert!(error.contains("null.parquet, row 2") && error.contains("text"), "{error}");
    let error = read(&data("nowhere.csv")).unwrap_err().to_string();
    assert!(error.contains("nowhere.csv"), "{error}");
}

#[test]
fn limits_are_enforced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tsv");
    fs::write(&path, "some words\t1\n".repeat(100)).unwrap();
    let read = |limits: Limits| {
        Content::read(&path, limits)?.corpus(limits).map(|corpus| corpus.samples.len())
    };
    assert_eq!(read(Limits { rows: 100, bytes: 1_300 }), Ok(100));
    let error = read(Limits { rows: 99, bytes: 2_000 }).unwrap_err().to_string();
    assert!(error.contains("limits.corpus_rows"), "{error}");
    assert!(read(Limits { rows: 100, bytes: 1_299 }).is_err());
}

/// The texts of this file are one compressed page of 16 MiB.
#[test]
fn texts_over_the_limit_are_not_decompressed() {
    let read = |bytes: usize| {
        let limits = Limits { rows: 100, bytes };
        let corpus = Content::read(&data("large-page.parquet"), limits)?.corpus(limits);
        corpus.map(|corpus| corpus.samples.len())
    };
    let error = read(1 << 20).unwrap_err().to_string();
    // It names no row, because none was read.
    assert!(error.contains("large-page.parquet: the texts exceed 1048576 bytes"), "{error}");
    assert_eq!(read(17 << 20), Ok(16));
}

#[test]
fn digests_differ_with_the_content() {
    let corpus =
        |text: &str| Corpus::of_samples(vec![sample("0", text, "1"), sample("1", "b", "0")]);
    assert_eq!(corpus("a").digest, corpus("a").digest);
    assert_ne!(corpus("a").digest, corpus("ab").digest);
    let moved = Corpus::of_samples(vec![sample("", "0a", "1"), sample("1", "b", "0")]);
    assert_ne!(corpus("a").digest, moved.digest);
}
