//! Evaluation, agreement, attention, windows and warnings, on pages and pictures.

use std::time::Duration;

use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};

use super::page::{ask, texts};
use super::{GREAT, HOSTILE, inert, text};
use crate::support::service::{Running, start, start_single_threaded};
use crate::support::{Held, PausedClock};

const MIXED: &str = "The plot is not good, but this movie is really great.";

/// A text of several windows with different predictions.
fn long() -> String {
    "The first half was slow and dull. I almost left. ".repeat(8)
        + &"But the ending was great! I loved it. ".repeat(8)
}

fn select<'p>(page: &'p Html, selector: &str) -> Vec<ElementRef<'p>> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).collect()
}

/// Returns the cells of each row of the table in the group with this name.
fn rows(page: &Html, group: &str) -> Vec<Vec<String>> {
    let cells = Selector::parse("th, td").unwrap();
    let row = |row: ElementRef<'_>| row.select(&cells).map(|cell| cell.text().collect()).collect();
    select(page, &format!("[aria-label='{group}'] tr")).into_iter().map(row).collect()
}

async fn json_and_page(service: &Running, body: Value) -> (Value, Html) {
    (service.explain(body.clone()).await["results"][0].clone(), ask(service, body).await)
}

fn all(page: &Html) -> String {
    texts(page, "main").concat()
}

#[tokio::test]
async fn the_best_values_of_the_evaluation_are_marked() {
    let body = json!({
        "inputs": MIXED, "methods": ["saliency", "occlusion", "lime"], "evaluate": "all",
        "attention": false,
    });
    let (answer, page) = json_and_page(&start().await, body).await;
    let rows = rows(&page, "Measures of the methods");
    assert_eq!(rows[0][1], "comprehensiveness\u{a0}↑ (higher is better)");
    assert_eq!(rows[0][2], "sufficiency\u{a0}↓ (lower is better)");
    assert_eq!(rows[0].last().unwrap(), "complexity");
    assert_eq!(
        rows[1][..2],
        ["relative_change\u{a0}↓ (lower is better)", "rank_correlation\u{a0}↑ (higher is better)"]
    );
    let methods: Vec<&str> = rows[2..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(methods, ["saliency", "occlusion", "lime", "random"]);
    let measured =
        |method: &str| answer["evaluation"][method]["comprehensiveness"].as_f64().unwrap();
    let best = methods[..3].iter().map(|method| measured(method)).fold(0., f64::max);
    for row in &rows[2..] {
        assert_eq!(row.len(), 10);
        let number = measured(&row[0]);
        let star = if number == best && row[0] != "random" { "★ " } else { "" };
        assert_eq!(row[1], format!("{star}{number:.3}"), "{}", row[0]);
    }
    assert_eq!(rows[2][5], "–", "saliency has no baseline");
    let effective = answer["evaluation"]["lime"]["complexity"]["effective_words"].as_f64().unwrap();
    assert_eq!(rows[4][8], format!("{effective:.3}"), "neither direction is better");
    assert!(all(&page).contains("Measured on the explanations of POSITIVE."));
}

#[tokio::test]
async fn agreement_is_a_coloured_table_and_sentences() {
    let body = json!({
        "inputs": MIXED,
        "methods": ["saliency", "occlusion", {"name": "lime", "max_evals": 500},
                    {"name": "lime", "max_evals": 1_000}],
        "evaluate": "agreement", "attention": false,
    });
    let (answer, page) = json_and_page(&start().await, body).await;
    let rows = rows(&page, "Agreement of the methods");
    assert_eq!(rows[0], ["", "saliency", "occlusion", "lime", "lime#2"]);
    let pair = &answer["agreement"][2];
    assert_eq!(pair["methods"], json!(["occlusion", "lime"]));
    let number = format!("{:+.2}", pair["spearman"].as_f64().unwrap());
    assert_eq!((&rows[2][3], &rows[3][2]), (&number, &number));
    let limes = answer["agreement"][5]["spearman"].as_f64().unwrap();
    assert_eq!((rows[1][1].as_str(), rows[3][4].as_str()), ("·", &*format!("{limes:+.2}")));
    let share = 100. * pair["top_k_feature"].as_f64().unwrap();
    let words = format!(
        "occlusion and lime: rank correlation {number}; of the top {} words {share:.0} % are the same",
        pair["k"]
    );
    assert!(all(&page).contains(&words), "{words}");
    let cells = select(&page, ".xp-grid .xp-w");
    assert!(
        cells.iter().any(|cell| cell.attr("title").is_some_and(|title| title.starts_with(&words)))
    );
    // Two runs of the same method agree, so that their colour is one of the deepest.
    let strong = |class: &str| ["xp-f14", "xp-f15", "xp-f16"].contains(&class);
    assert!(cells.iter().any(|cell| cell.value().classes().any(strong)));
}

#[tokio::test]
async fn attention_patterns_are_a_table_and_sentences() {
    let attention = json!({"patterns": true, "kind": "gradient"});
    let body =
        json!({"inputs": "So good, so good!", "methods": ["saliency"], "attention": attention});
    let (answer, page) = json_and_page(&start().await, body).await;
    let heads = answer["attention"]["patterns"].as_array().unwrap();
    let rows = rows(&page, "Patterns of the attention heads");
    assert_eq!(rows[0], ["", "head 0", "head 1", "head 2", "head 3", "head 4"]);
    for (head, cell) in heads.iter().zip(rows[1..].iter().flat_map(|row| &row[1..])) {
        let (name, score) = (head["pattern"].as_str().unwrap(), head["score"].as_f64().unwrap());
        assert_eq!(*cell, format!("{name} {score:.2}"));
    }
    let pair = &heads[0]["pairs"][0];
    let token = |end: &str| answer["tokens"][pair[end].as_u64().unwrap() as usize]["text"].clone();
    let weight = pair["weight"].as_f64().unwrap();
    let (query, key) = (token("query"), token("key"));
    let strongest = format!("{} to {} {weight:.2}", query.as_str().unwrap(), key.as_str().unwrap());
    let title = select(&page, ".xp-grid .xp-w")[0].attr("title").unwrap().to_owned();
    assert!(title.starts_with(&strongest), "{title}: {strongest}");
    assert!(all(&page).contains(&format!("layer 0, head 0: {strongest}")));
    assert!(all(&page).contains("gradient: weights times the gradient of POSITIVE with"));
    let classes = select(&page, "figure svg rect")
        .iter()
        .flat_map(|r| r.value().classes())
        .collect::<String>();
    assert!(classes.contains("xp-a") && !classes.contains("xp-m"), "gradients have signs");
}

#[tokio::test]
async fn every_kind_of_attention_is_explained() {
    let service = start().await;
    for (kind, words, caption) in [
        ("weights", "output of the softmax", "layer 3, mean of heads"),
        ("norm", "transformed value vectors", "layer 3, all heads"),
        ("rollout", "share of each input token", "layer 3, mean of heads"),
        ("block_norm", "residual connection and layer norm", "layer 3, all heads"),
        ("alti", "output of the attention block", "layer 3, all heads"),
        ("value_zeroing", "without the value vectors", "layer 3, all heads"),
    ] {
        let body = json!({"inputs": GREAT, "methods": [], "attention": {"kind": kind}});
        let page = ask(&service, body).await;
        assert!(all(&page).contains(words), "{kind}");
        assert!(texts(&page, "figcaption")[0].starts_with(caption), "{kind}");
    }
}

#[tokio::test]
async fn windows_and_warnings_are_shown() {
    let body = json!({
        "inputs": long(), "window": {"stride": 8}, "methods": ["input_x_gradient", "integrated_gradients"],
    });
    let (answer, page) = json_and_page(&start().await, body.clone()).await;
    let rows = rows(&page, "Windows of the text");
    let parts = answer["windows"].as_array().unwrap();
    assert_eq!(rows.len(), 1 + 2 * parts.len());
    assert!(rows[1][1].starts_with("characters 0 to "), "{:?}", rows[1]);
    assert!(rows[1][1].ends_with(" “The first half … loved it.”"), "{:?}", rows[1]);
    assert!(rows[1][2].starts_with("NEGATIVE  0.8"), "{:?}", rows[1]);
    assert_eq!(rows[1][3], "input_x_gradient of NEGATIVE");
    assert_eq!(rows[1][6..], ["–", "–"], "the method is not complete");
    let share = &parts[0]["explanations"][1];
    let number = |name: &str| share[name].as_f64().unwrap();
    assert_eq!(rows[2][1], format!("{:.3}", number("weight")));
    assert_eq!(rows[2][3], format!("{:+.5}", number("convergence_delta")));
    let note = texts(&page, "[role='note'] li");
    let warnings = answer["warnings"].as_array().unwrap();
    assert_eq!(note.len(), warnings.len());
    for (note, warning) in note.iter().zip(warnings) {
        assert_eq!(*note, format!("{}.", warning["detail"].as_str().unwrap()));
    }
    assert!(warnings.iter().any(|warning| warning["code"] == "no_attention"));
    let reply = start().await.render("image/svg+xml", body).await;
    let picture = text(&reply, "image/svg+xml");
    inert(&reply, &picture);
    assert!(picture.contains("Read with care: ") && picture.contains("several windows"));
}

#[tokio::test]
async fn cost_and_samples_of_methods_are_shown() {
    let lime = json!({"name": "lime", "max_evals": 40, "tolerance": 0});
    let body = json!({"inputs": GREAT, "methods": [lime], "attention": false});
    let service = start().await;
    let usage = service.explain(body.clone()).await["usage"]["methods"][0].clone();
    let rows = usage["forward_rows"].as_u64().unwrap();
    let (answer, page) = json_and_page(&service, body).await;
    let fit = answer["explanations"][0]["fit"]["r2"].as_f64().unwrap();
    let text = all(&page);
    assert!(text.contains("40 samples; standard error "), "{text}");
    assert!(text.contains(&format!("not converged; R² of the linear model {fit:.3}")), "{text}");
    assert!(rows < 40, "some of the 40 samples are equal");
    assert!(text.contains(&format!("took {rows} forward rows, ")), "{text}");
    assert!(!text.contains("stopped early"));
    let short_budget = json!({
        "inputs": "a prison film, and a good one at that",
        "methods": [{"name": "lime", "max_evals": 200, "tolerance": 0}], "attention": false, "budget_ms": 1_000,
    });
    let (service, clock) = (start_single_threaded().await, PausedClock::new());
    let held = Held::after(3, "prison");
    let page = ask(&service, short_budget);
    let page = held.advance_while_held(&clock, Duration::from_millis(900), page).await;
    let text = all(&page);
    assert!(text.contains("stopped early after ") && text.contains("ran out of time"), "{text}");
}

#[tokio::test]
async fn hostile_texts_are_escaped_in_every_part() {
    let service = start().await;
    for hostile in HOSTILE {
        let page = ask(
            &service,
            json!({
                "inputs": {"text": hostile, "id": hostile},
                "methods": ["occlusion", {"name": "gradient_shap", "n_samples": 2, "baseline": {"text": "<b>"}}],
                "evaluate": ["agreement", "complexity"],
                "attention": {"patterns": true, "kind": "gradient"},
            }),
        );
        assert!(!rows(&page.await, "Patterns of the attention heads").is_empty(), "{hostile:?}");
        let long =
            json!({"inputs": hostile.repeat(40), "window": {"stride": 1}, "methods": ["saliency"]});
        let page = ask(&service, long).await;
        assert!(!rows(&page, "Windows of the text").is_empty(), "{hostile:?}");
    }
}
