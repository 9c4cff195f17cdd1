//! `explaind heads`.

use serde_json::{Value, json};

use super::corpora::{ROWS, assert_escaped, data, report, reported};
use super::{Served, explaind, text};

/// Compares with the views of POST /explain.
#[test]
fn the_importance_of_heads_is_the_mean_of_their_scores() {
    // The fourth label is wrong, the fifth is none of the model's.
    let labels = ["1", "POSITIVE", "0", "1", "neutral", "0"];
    let rows: Vec<String> =
        ROWS.iter().zip(labels).map(|(row, label)| format!("{row}\t{label}")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let folder = data("texts.tsv", &rows);
    let found = reported("heads", folder.path(), &["--ablate", "4"]);
    assert_eq!((&found["texts"], &found["shape"]), (&json!(6), &json!([4, 5])));
    let served = Served::start();
    let body = json!({"inputs": ROWS, "methods": [], "inside": ["head_importance", "ablation"],
        "attention": {"layers": [0], "heads": [0], "patterns": true}, "model": "sentiment-en"});
    let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
    let answer: Value = reply.body_mut().read_json().unwrap();
    let results = answer["results"].as_array().unwrap();
    let heads = found["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 20);
    let mut sizes = Vec::new();
    for head in heads {
        let [layer, index] = ["layer", "head"].map(|part| head[part].as_u64().unwrap() as usize);
        let score = |result: &Value| {
            result["inside"]["head_importance"]["scores"][layer][index].as_f64().unwrap()
        };
        let scores: Vec<f64> = results.iter().map(score).collect();
        let size = scores.iter().map(|score| score.abs()).sum::<f64>() / 6.;
        let signed = scores.iter().sum::<f64>() / 6.;
        let mean = |of: &str| head[of]["mean"].as_f64().unwrap();
        assert!((mean("importance") - size).abs() < 1e-5, "{head} {size}");
        assert!((mean("signed") - signed).abs() < 1e-5, "{head} {signed}");
        let is_own = |result: &&Value| {
            let patterns = result["attention"]["patterns"].as_array().unwrap().iter();
            let mut own = patterns.filter(|one| one["layer"] == layer && one["head"] == index);
            own.next().unwrap()["pattern"] == head["pattern"]
        };
        let share = results.iter().filter(is_own).count() as f64 / 6.;
        assert!((head["pattern_share"].as_f64().unwrap() - share).abs() < 1e-9, "{head}");
        sizes.push(size);
    }
    assert!(sizes.is_sorted_by(|a, b| *a >= b - 1e-9), "{sizes:?}");

    let ablation = &found["ablation"];
    assert_eq!((&ablation["texts"], &ablation["labelled"]), (&json!(6), &json!(5)));
    let expected = [Some(1), Some(1), Some(0), Some(1), None, Some(0)];
    let right = |(result, expected): (&Value, &Option<i32>)| {
        expected.is_some_and(|label| result["predictions"][0]["index"] == label)
    };
    let right = results.iter().zip(&expected).filter(|pair| right(*pair)).count();
    assert!((ablation["accuracy"].as_f64().unwrap() - right as f64 / 5.).abs() < 1e-9);
    let ablated = ablation["heads"].as_array().unwrap();
    assert_eq!(ablated.len(), 4);
    let mut compared = 0;
    for (one, head) in ablated.iter().zip(heads) {
        assert_eq!((&one["layer"], &one["head"]), (&head["layer"], &head["head"]));
        let change = |result: &Value| {
            let of_text = result["inside"]["ablation"]["heads"].as_array().unwrap();
            let own = of_text
                .iter()
                .find(|other| other["layer"] == one["layer"] && other["head"] == one["head"]);
            own.map(|own| own["change"].as_f64().unwrap())
        };
        // Each text has its own ten heads.
        let changes: Vec<f64> = results.iter().filter_map(change).collect();
        if changes.len() == 6 {
            let mean = changes.iter().sum::<f64>() / 6.;
            assert!((one["change"]["mean"].as_f64().unwrap() - mean).abs() < 1e-5, "{one} {mean}");
            compared += 1;
        }
    }
    assert!(compared > 0, "no head is among the ten of every text: {ablated:?}");
    let first = &ablated[0];
    assert!(first["change"]["mean"] != 0. && first["accuracy_change"]["mean"].is_number());
}

fn golden(name: &str) -> String {
    format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns the results of POST /explain with the importance of heads and without single heads.
fn explained(model: &str, inputs: &[Value], target: &Value) -> Vec<Value> {
    let mut command = explaind();
    command.args(["--listen", "127.0.0.1:0", "--model", &format!("own={}", golden(model))]);
    let served = Served::of(command);
    let body = json!({"inputs": inputs, "methods": [], "target": target,
        "inside": ["head_importance", "ablation"]});
    let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
    let answer: Value = reply.body_mut().read_json().unwrap();
    answer["results"].as_array().unwrap().clone()
}

/// Compares a report with the mean over texts and `targets` of the views.
fn compare(found: &Value, targets: &[Vec<Value>]) {
    let mean = |of: &dyn Fn(&Value) -> f64| {
        let all: Vec<f64> = targets.iter().flatten().map(of).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    assert_eq!(found["texts"], targets[0].len());
    for head in found["heads"].as_array().unwrap() {
        let [layer, index] = ["layer", "head"].map(|part| head[part].as_u64().unwrap() as usize);
        let expected = mean(&|result| {
            result["inside"]["head_importance"]["scores"][layer][index].as_f64().unwrap()
        });
        assert!((head["signed"]["mean"].as_f64().unwrap() - expected).abs() < 1e-5, "{head}");
    }
    for one in found["ablation"]["heads"].as_array().unwrap() {
        let expected = mean(&|result| {
            let heads = result["inside"]["ablation"]["heads"].as_array().unwrap();
            let own =
                |other: &&Value| other["layer"] == one["layer"] && other["head"] == one["head"];
            heads.iter().find(own).unwrap()["change"].as_f64().unwrap()
        });
        assert!((one["change"]["mean"].as_f64().unwrap() - expected).abs() < 1e-5, "{one}");
    }
}

/// Writes pairs of texts with a label as a file with columns.
fn pairs(rows: &[[&str; 3]]) -> tempfile::TempDir {
    let rows: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
    let rows: Vec<&str> =
        std::iter::once("text\ttext_pair\tlabel").chain(rows.iter().map(String::as_str)).collect();
    data("texts.tsv", &rows)
}

#[test]
fn heads_matter_for_models_that_read_two_texts() {
    let rows = [
        ["the film is great", "the music is good", "0"],
        ["who loved the story", "Anna loved the story in Paris", "1"],
        ["the film is great", "they went to the river", "1"],
    ];
    let folder = pairs(&rows);
    let inputs = rows.map(|[text, pair, _]| json!({"text": text, "text_pair": pair}));
    let predicted = json!("predicted");
    for (model, chooses, labelled) in
        [("bert-nli", true, 3), ("bert-nsp", true, 3), ("bert-embed", false, 0)]
    {
        let flags = ["--model", &golden(model), "--ablate", "2"];
        let found = reported("heads", folder.path(), &flags);
        compare(&found, &[explained(model, &inputs, &predicted)]);
        assert_eq!(found["ablation"]["labelled"], labelled, "{model}");
        let first = &found["ablation"]["heads"][0];
        assert_eq!(first["flips"].is_number(), chooses, "{model}");
        assert!(first["change"]["mean"] != 0., "{model}");
    }
    // The mean of the start and the end of the answer.
    let found = reported("heads", folder.path(), &["--model", &golden("bert-qa"), "--ablate", "2"]);
    let target = |position: &str| json!({"position": position});
    let of_target = |position: &str| explained("bert-qa", &inputs, &target(position));
    compare(&found, &["start", "end"].map(of_target));
    assert!(found["ablation"]["heads"][0]["flips"].is_number());

    let single = data("texts.tsv", &["one text"]);
    let output = report("heads", single.path(), "texts.tsv", &["--model", &golden("bert-qa")]);
    assert!(text(&output.stderr).contains("question answering needs text_pair"), "{output:?}");
    assert!(!output.status.success());
}

/// The best piece of the only mask is the first target of POST /explain.
#[test]
fn heads_matter_for_masks_and_for_tokens_too() {
    let rows = ["the film is [MASK] .", "i [MASK] the music", "the actor was so [MASK]"];
    let folder = data("texts.tsv", &rows);
    let found =
        reported("heads", folder.path(), &["--model", &golden("bert-mlm"), "--ablate", "2"]);
    let inputs = rows.map(|row| json!(row));
    compare(&found, &[explained("bert-mlm", &inputs, &json!("predicted"))]);
    assert!(
        found["ablation"]["heads"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| { one["flips"].is_number() && one["accuracy_change"].is_null() })
    );

    let rows = ["Anna met Paul in Paris", "they went to the river", "Paul loved the story"];
    let folder = data("texts.tsv", &rows);
    let found = reported("heads", folder.path(), &["--model", &golden("bert-tokens")]);
    assert_eq!((&found["texts"], &found["ablation"]["labelled"]), (&json!(3), &json!(0)));
    assert!(found["ablation"]["heads"][0]["change"]["mean"] != 0.);
    // A regression has nothing to choose.
    let folder = data("texts.tsv", &rows);
    let found = reported("heads", folder.path(), &["--model", &golden("bert-tiny-regression")]);
    let first = &found["ablation"]["heads"][0];
    assert!(first["flips"].is_null() && first["change"]["mean"] != 0., "{first}");
}

#[test]
fn heads_are_reported_with_their_plots() {
    let folder = data("texts.tsv", &ROWS);
    let output = report("heads", folder.path(), "texts.tsv", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(out.contains("The most important heads: layer ") && out.contains("flips"), "{out}");
    assert!(!out.contains("accuracy"), "there are no labels: {out}");
    assert_escaped(folder.path(), &["importance.svg", "signed.svg", "heads.svg", "without.svg"]);
    let output = report("heads", folder.path(), "texts.tsv", &["--ablate", "0"]);
    assert!(output.status.success() && !text(&output.stdout).contains("without layer"));
    assert!(text(&output.stderr).contains("6 of 6 texts are already done"));
}
