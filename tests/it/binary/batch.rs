//! `explaind batch`: every row has one line, in order, whatever happens.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Served, explaind, text};

const OPTIONS: &str = r#"{"attention": false, "target": "all"}"#;

/// Returns a folder with rows.jsonl.
fn folder(rows: &[Value]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(folder.path().join("rows.jsonl"), lines).unwrap();
    folder
}

fn reviews(count: usize) -> Vec<Value> {
    let opinions = ["a wonderful film", "dull, tired and far too long", "not good, not bad"];
    let row =
        |n: usize| json!({"id": format!("row {n}"), "text": format!("{} ({n})", opinions[n % 3])});
    (0..count).map(row).collect()
}

/// The command in a folder, with `output` as its output.
fn command(folder: &Path, input: &str, output: &str, flags: &[&str]) -> Command {
    let mut command = explaind();
    command.current_dir(folder).args(["batch", "--input", input, "--output", output]);
    command.args(["--method", "input_x_gradient", "--options", OPTIONS]).args(flags);
    command
}

fn run(folder: &Path, output: &str) -> Output {
    command(folder, "rows.jsonl", output, &[]).output().unwrap()
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    read(folder, name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpora").join(name)
}

#[test]
fn lines_are_the_results_of_explain() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start();
    let rows = fs::read_to_string(corpus("reviews.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let inputs: Vec<Value> =
        rows.iter().map(|row| json!({"id": row["id"], "text": row["text"]})).collect();
    let mut body: Value = serde_json::from_str(OPTIONS).unwrap();
    body["inputs"] = json!(inputs);
    body["methods"] = json!(["input_x_gradient"]);
    // The model of most texts.
    body["model"] = json!("sentiment-en");
    let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
    let answer: Value = reply.body_mut().read_json().unwrap();
    for name in ["reviews.jsonl", "reviews.csv", "reviews-zstd.parquet"] {
        let output = format!("{name}.results.jsonl");
        let input = corpus(name).display().to_string();
        let done = command(folder.path(), &input, &output, &[]).output().unwrap();
        assert_success(&done);
        assert_eq!(text(&done.stdout), format!("{output}: 3 lines\n"));
        assert_eq!(lines(folder.path(), &output), *answer["results"].as_array().unwrap(), "{name}");
        let manifest: Value =
            serde_json::from_str(&read(folder.path(), &format!("{output}.run.json"))).unwrap();
        assert_eq!(manifest["run"]["revision"], answer["model"]["revision"]);
        assert_eq!((&manifest["lines"], &manifest["failed"]), (&json!(3), &json!(0)));
    }
}

#[test]
fn rows_may_be_pairs_words_and_without_ids() {
    let folder = tempfile::tempdir().unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bert-nli");
    let texts = "text\ttext_pair\na man eats\ta man is eating\na man eats\t\n";
    fs::write(folder.path().join("rows.tsv"), texts).unwrap();
    let flags = ["--model", model];
    assert_success(&command(folder.path(), "rows.tsv", "tsv.jsonl", &flags).output().unwrap());
    let rows = [
        json!({"text": "a man eats", "text_pair": "a man is eating", "label": ["ignored"]}),
        json!({"words": ["a", "man", "eats"], "id": 7}),
    ];
    fs::write(folder.path().join("rows.jsonl"), format!("{}\n\n{}\n", rows[0], rows[1])).unwrap();
    assert_success(&command(folder.path(), "rows.jsonl", "json.jsonl", &flags).output().unwrap());
    let (tsv, json) = (lines(folder.path(), "tsv.jsonl"), lines(folder.path(), "json.jsonl"));
    assert_eq!(json[0]["words"].as_array().unwrap().len(), 7);
    assert_eq!((&json[0]["id"], &json[1]["id"]), (&json!("1"), &json!("7")));
    // Line numbers count the header.
    assert_eq!((&tsv[0]["id"], &tsv[1]["id"]), (&json!("2"), &json!("3")));
    for (tsv, json) in tsv.iter().zip(&json) {
        assert_eq!(tsv["explanations"], json["explanations"]);
    }
}

#[test]
fn a_parquet_output_has_the_same_lines() {
    let mut rows = reviews(5);
    rows[2]["text"] = json!("");
    let folder = folder(&rows);
    for output in ["results.jsonl", "results.parquet"] {
        assert_eq!(run(folder.path(), output).status.code(), Some(3));
    }
    let file = File::open(folder.path().join("results.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let about = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let run: Value = serde_json::from_str(about[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(run["model"], "sentiment-en");
    let expected = read(folder.path(), "results.jsonl");
    let mut count = 0;
    for (row, line) in reader.get_row_iter(None).unwrap().zip(expected.lines()) {
        let row = row.unwrap();
        let columns: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let [id, error, result] = columns[..] else { panic!("{columns:?}") };
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(*result, Field::Str(line.to_owned()));
        assert_eq!(*id, Field::Str(value["id"].as_str().unwrap().to_owned()));
        let code = value["error"]["code"].as_str();
        assert_eq!(*error, code.map_or(Field::Null, |code| Field::Str(code.to_owned())));
        count += 1;
    }
    assert_eq!(count, 5);
    let [path, partial, new] = ["", ".partial", ".new"]
        .map(|ending| folder.path().join(format!("results.parquet{ending}")));
    let whole = fs::read(&path).unwrap();
    // Killed while the lines were converted, and before they were removed.
    fs::remove_file(&path).unwrap();
    fs::write(&partial, &expected).unwrap();
    fs::write(&new, &whole[..99]).unwrap();
    for done in ["5 of 5 rows are already done", "is already complete"] {
        let again = self::run(folder.path(), "results.parquet");
        assert_eq!(again.status.code(), Some(3));
        assert!(text(&again.stderr).contains(done), "{}", text(&again.stderr));
        assert!(fs::read(&path).unwrap() == whole && !partial.exists() && !new.exists());
        fs::write(&partial, &expected).unwrap();
    }
}

/// Kills a run several times while it writes.
#[test]
fn a_killed_run_continues() {
    let folder = folder(&reviews(120));
    assert_success(&run(folder.path(), "whole.jsonl"));
    let whole = read(folder.path(), "whole.jsonl");
    let partial = folder.path().join("killed.jsonl.partial");
    let output = folder.path().join("killed.jsonl");
    for kill in 1..4 {
        let mut child = command(folder.path(), "rows.jsonl", "killed.jsonl", &[]).spawn().unwrap();
        let lines = || fs::read(&partial).map_or(0, |text| text.split(|&b| b == b'\n').count());
        while lines() < kill * 20 && !output.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let written = fs::read(&partial).unwrap_or_default();
        assert!(whole.as_bytes().starts_with(&written), "{}", text(&written));
    }
    let last = run(folder.path(), "killed.jsonl");
    assert_success(&last);
    assert!(text(&last.stderr).contains("already"), "{}", text(&last.stderr));
    assert_eq!(read(folder.path(), "killed.jsonl"), whole);
    assert!(!partial.exists());
}

/// Continues from files as a kill or a crash of the machine may leave them.
#[test]
fn lines_that_were_cut_or_damaged_are_written_again() {
    let folder = folder(&reviews(6));
    assert_success(&run(folder.path(), "results.jsonl"));
    let whole = read(folder.path(), "results.jsonl");
    let ends: Vec<usize> = whole.match_indices('\n').map(|(end, _)| end + 1).collect();
    let swapped = format!("{}{}", &whole[ends[0]..ends[1]], &whole[..ends[0]]);
    let zeros = format!("{}{}", &whole[..ends[3]], "\0".repeat(4096));
    let hole = whole[..ends[4]].replace("row 2", "row\0 2");
    for (partial, done) in [
        ("", 0),
        (&whole[..10], 0),
        (&whole[..ends[0] - 1], 0),
        (&whole[..ends[0]], 1),
        (&whole[..ends[2] + 1], 3),
        (&whole[..whole.len() - 1], 5),
        (&whole, 6),
        (&swapped, 0),
        (&zeros, 4),
        (&hole, 2),
    ] {
        fs::remove_file(folder.path().join("results.jsonl")).unwrap();
        fs::write(folder.path().join("results.jsonl.partial"), partial).unwrap();
        let continued = run(folder.path(), "results.jsonl");
        assert_success(&continued);
        let said = text(&continued.stderr);
        let expected = format!("{done} of 6 rows are already done");
        assert_eq!(said.contains("already done"), done > 0, "{said}");
        assert!(done == 0 || said.contains(&expected), "{said}");
        assert_eq!(read(folder.path(), "results.jsonl"), whole, "{partial}");
    }
}

#[test]
fn shards_are_disjoint_and_complete() {
    let folder = folder(&reviews(11));
    assert_success(&run(folder.path(), "whole.jsonl"));
    let mut found = Vec::new();
    for shard in 0..3 {
        let flags = ["--shard", &format!("{shard}/3")];
        let done = command(folder.path(), "rows.jsonl", "out.jsonl", &flags).output().unwrap();
        assert_success(&done);
        let own = read(folder.path(), &format!("out-{shard:05}-of-00003.jsonl"));
        assert_eq!(own.lines().count(), [4, 4, 3][shard]);
        found.extend(own.lines().map(str::to_owned));
    }
    found.sort();
    let whole = read(folder.path(), "whole.jsonl");
    let mut whole: Vec<&str> = whole.lines().collect();
    whole.sort();
    assert_eq!(found, whole);
    // A shard may have no rows.
    let done = command(folder.path(), "rows.jsonl", "out.parquet", &["--shard", "12/13"]).output();
    assert_success(&done.unwrap());
    assert!(folder.path().join("out-00012-of-00013.parquet").exists());
}

#[test]
fn bad_rows_have_an_error() {
    let folder = folder(&[]);
    let long = "long ".repeat(1_000);
    let huge = format!("{{\"text\": \"{}\"}}", "a".repeat(1 << 20));
    let rows: [(&str, &str, &str, Value); 10] = [
        ("{\"id\": \"a\", \"text\": \"good\"}", "a", "", json!(null)),
        ("{\"id\": \"a\", \"text\": \" \"}", "a", "input_empty", json!("/text")),
        ("{\"id\": \"a\", \"text\"", "3", "invalid_json", json!(null)),
        ("[\"good\"]", "4", "invalid_json", json!(null)),
        ("{\"id\": 12}", "12", "invalid_field", json!("")),
        ("{\"id\": [1], \"text\": \"good\"}", "6", "invalid_field", json!("/id")),
        ("{\"id\": \"b\", \"text\": 3}", "b", "invalid_field", json!("/text")),
        (&format!("{{\"text\": {long:?}}}"), "8", "input_too_long", json!("/text")),
        (&huge, "9", "payload_too_large", json!(null)),
        ("{\"text\": \"good\", \"spans\": [[3, 1]]}", "10", "invalid_field", json!("/spans/0")),
    ];
    let mut content = rows.each_ref().map(|row| row.0).join("\n").into_bytes();
    content.extend(b"\n{\"text\": \"\xFF\"}\n{\"text\": \"good\"}");
    fs::write(folder.path().join("rows.jsonl"), content).unwrap();
    let done = run(folder.path(), "results.jsonl");
    assert_eq!(done.status.code(), Some(3), "{}", text(&done.stderr));
    let said = text(&done.stderr);
    assert!(said.contains("10 of 12 lines of results.jsonl have an error"), "{said}");
    let lines = lines(folder.path(), "results.jsonl");
    for (line, (row, id, code, pointer)) in lines.iter().zip(&rows) {
        assert_eq!(line["id"], *id, "{row}");
        assert_eq!(line["error"]["code"].as_str().unwrap_or_default(), *code, "{line}");
        assert_eq!(line["error"]["pointer"], *pointer, "{line}");
    }
    assert_eq!(
        (&lines[10]["error"]["code"], &lines[11]["id"]),
        (&json!("invalid_json"), &json!("12"))
    );
    let detail = lines[7]["error"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("text has "), "{detail}");

    let table = "id,text\na,good\nb\n\"c\",\"\"\nd,\"good, \"\"bad\"\"\"\n,good\n";
    fs::write(folder.path().join("rows.csv"), table).unwrap();
    let done = command(folder.path(), "rows.csv", "csv.jsonl", &[]).output().unwrap();
    assert_eq!(done.status.code(), Some(3));
    let lines = self::lines(folder.path(), "csv.jsonl");
    let found: Vec<(&str, Option<&str>)> = lines
        .iter()
        .map(|line| (line["id"].as_str().unwrap(), line["error"]["code"].as_str()))
        .collect();
    let expected = [
        ("a", None),
        ("3", Some("invalid_field")),
        ("c", Some("input_empty")),
        ("d", None),
        ("6", None),
    ];
    assert_eq!(found, expected);
    // The same status again.
    let again = command(folder.path(), "rows.csv", "csv.jsonl", &[]).output().unwrap();
    assert_eq!(again.status.code(), Some(3));
    assert!(text(&again.stderr).contains("already complete"), "{}", text(&again.stderr));
}

#[test]
fn another_run_is_refused() {
    let folder = folder(&reviews(3));
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(corpus("../../../models/sentiment-en")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let again = |flags: &[&str]| {
        let flags = [flags, &["--model", "model"]].concat();
        command(folder.path(), "rows.jsonl", "results.jsonl", &flags).output().unwrap()
    };
    assert_success(&again(&[]));
    let whole = read(folder.path(), "results.jsonl");
    let assert_refused = |done: Output, reason: &str| {
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains(reason) && said.contains("remove it"), "{said}");
    };
    let partial = folder.path().join("results.jsonl.partial");
    let cut = &whole[..whole.len() - 9];
    for state in ["complete", "partial"] {
        if state == "partial" {
            fs::remove_file(folder.path().join("results.jsonl")).unwrap();
            fs::write(&partial, cut).unwrap();
        }
        assert_refused(again(&["--evaluate"]), "other options");
        let config = fs::read_to_string(model.join("config.json")).unwrap();
        fs::write(model.join("config.json"), config.replace("POSITIVE", "GOOD")).unwrap();
        assert_refused(again(&[]), "another revision of the model");
        fs::write(model.join("config.json"), config).unwrap();
        let rows = read(folder.path(), "rows.jsonl");
        fs::write(folder.path().join("rows.jsonl"), rows.replace("wonderful", "great")).unwrap();
        assert_refused(again(&[]), "another input");
        fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    }
    assert_eq!(fs::read_to_string(&partial).unwrap(), cut);
    let file = File::open(&partial).unwrap();
    file.lock().unwrap();
    let said = text(&again(&[]).stderr);
    assert!(said.contains("another process writes results.jsonl.partial"), "{said}");
    drop(file);
    assert_success(&again(&[]));
    assert_eq!(read(folder.path(), "results.jsonl"), whole);
    // Files of others are not replaced.
    fs::write(folder.path().join("mine.jsonl"), "mine").unwrap();
    assert_refused(run(folder.path(), "mine.jsonl"), "exists already");
    fs::write(folder.path().join("mine.parquet.partial"), "mine").unwrap();
    assert_refused(run(folder.path(), "mine.parquet"), "an unknown run");
    assert_eq!(read(folder.path(), "mine.jsonl"), "mine");
}

#[test]
fn errors_name_the_flag_or_the_file() {
    let folder = folder(&reviews(2));
    fs::write(folder.path().join("rows.csv"), "id,words\n1,good\n").unwrap();
    fs::write(folder.path().join("open.csv"), format!("text\ngood\n\"{}", "a\n".repeat(1 << 20)))
        .unwrap();
    for (input, output, flags, status, message) in [
        ("none.jsonl", "a.jsonl", &[][..], 1, "none.jsonl"),
        ("rows.txt", "a.jsonl", &[], 1, ".parquet"),
        ("rows.csv", "a.jsonl", &[], 1, "there is no column text; the columns are id, words"),
        ("open.csv", "a.jsonl", &[], 1, "is a quote missing?"),
        ("rows.jsonl", "a.csv", &[], 1, "a.csv: the name must end in .jsonl or .parquet"),
        ("rows.jsonl", "none/a.jsonl", &[], 1, "none/a.jsonl"),
        ("rows.jsonl", "a.jsonl", &["--method", "magic"], 1, "--method"),
        ("rows.jsonl", "a.jsonl", &["--model", "none"], 1, "none"),
        ("rows.jsonl", "a.jsonl", &["--window", "many"], 2, "whole number"),
        ("rows.jsonl", "a.jsonl", &["--shard", "4/4"], 2, "I from 0 to N - 1"),
    ] {
        let done = command(folder.path(), input, output, flags).output().unwrap();
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(status), "{said}");
        assert!(said.contains(message) && !said.contains("panicked"), "{flags:?}: {said}");
    }
    for (options, status, message) in [
        ("{\"target\": \"none\"}", 1, "--options"),
        ("{\"methods\": [\"saliency\"]}", 1, "--method and --options both set methods"),
        ("{\"inputs\": \"a\"}", 1, "--options cannot set inputs"),
        ("{\"seeed\": 1}", 1, "seeed"),
        ("[1]", 2, "it must be a JSON object"),
    ] {
        let mut command = explaind();
        command.current_dir(folder.path()).args(["batch", "--input", "rows.jsonl"]);
        command.args(["--output", "a.jsonl", "--method", "saliency", "--options", options]);
        let done = command.output().unwrap();
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(status), "{said}");
        assert!(said.contains(message), "{options}: {said}");
    }
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing is written: {left:?}");
}
