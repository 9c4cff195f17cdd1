//! `explaind plan`.

use serde_json::Value;

use super::{run, text};

#[test]
fn a_plan_has_enough_replicas_and_says_with_what() {
    let flags =
        ["plan", "--rate", "300", "--tokens", "12", "--methods", "saliency", "--p99", "60000"];
    let output = run(&[&flags[..], &["--json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| plan[name].as_f64().unwrap();
    // One gradient row of at most 12 tokens through 4 layers.
    assert!(number("tokens") <= 12. && number("cost") == 4. * number("tokens"), "{plan}");
    let simulated = plan["simulated"].as_array().unwrap();
    let last = simulated.last().unwrap();
    assert_eq!(plan["replicas"], last["replicas"]);
    assert!(last["refused"] == 0. && last["p99_ms"].as_f64().unwrap() <= 60_000.);
    // No number of replicas answers more requests than it has time for.
    assert!(number("replicas") * number("throughput") > 299., "{plan}");
}

#[test]
fn what_cannot_be_planned_is_an_error_of_its_flag() {
    for (flags, message) in [
        (&["--rate", "0"][..], "it must be a number from 0.001 to 1000000"),
        (&["--rate", "1", "--tokens", "5000"], "--tokens: sentiment-en reads at most"),
        (&["--rate", "1", "--methods", "shap"], "--methods"),
    ] {
        let output = run(&[&["plan"], flags].concat());
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}
