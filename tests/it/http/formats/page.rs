//! HTML pages, parsed like a browser does.

use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::{GREAT, HOSTILE, inert, text};
use crate::http::tasks;
use crate::support::service::{Reply, Running, start};

const ELEMENTS: &str = "html head meta title style body main section h1 h2 h3 p bdi span strong sub \
                        code table caption thead tbody tr th td details summary div figure \
                        figcaption svg rect text ul li wbr";
const ATTRIBUTES: &str = "lang dir charset name content class title scope tabindex role aria-label \
                          aria-hidden colspan rowspan width height viewBox x y text-anchor \
                          transform font-size";

/// Parses a page and asserts that it has only known elements and attributes.
fn page(reply: &Reply) -> Html {
    let source = text(reply, "text/html; charset=utf-8");
    inert(reply, &source);
    let page = Html::parse_document(&source);
    for element in page.root_element().descendent_elements() {
        let element = element.value();
        assert!(ELEMENTS.split(' ').any(|known| known == element.name()), "{element:?}");
        for (name, _) in element.attrs() {
            assert!(ATTRIBUTES.split(' ').any(|known| known == name), "{element:?}");
        }
    }
    page
}

pub async fn ask(service: &Running, body: Value) -> Html {
    page(&service.render("text/html", body).await)
}

/// Returns the texts of all elements that match a selector.
pub fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| element.text().collect()).collect()
}

#[tokio::test]
async fn words_have_colours_and_numbers() {
    let service = start().await;
    let body = json!({"inputs": GREAT});
    let answer = service.explain(body.clone()).await;
    let page = ask(&service, body).await;
    assert_eq!(texts(&page, "h1"), [GREAT]);
    assert_eq!(
        texts(&page, ".xp-verdict"),
        [answer["results"][0]["summary"]["en"].as_str().unwrap()]
    );
    assert_eq!(texts(&page, ".xp-bars th")[0], "great");
    assert_eq!(texts(&page, ".xp-fold tbody th"), ["POSITIVE", "NEGATIVE"]);
    let explanation = &answer["results"][0]["explanations"][0];
    let words = texts(&page, "section > bdi.xp-text > .xp-w");
    let number =
        |i: usize| format!("{:+.3}", explanation["attributions"]["word"][i].as_f64().unwrap());
    assert_eq!(words[4], "great");
    assert_eq!(texts(&page, "section > bdi.xp-text > .xp-s")[4], number(4));
    assert_eq!(texts(&page, ".xp-bars .xp-n")[0], number(4));
    let word = Selector::parse("section > bdi.xp-text > .xp-w").unwrap();
    let great = page.select(&word).nth(4).unwrap();
    assert_eq!(great.attr("title"), Some(&*number(4)));
    assert!(great.value().classes().any(|class| class == "xp-f16"), "the deepest orange");
    let all = texts(&page, "main").concat();
    for part in ["converged in 17 steps", "baseline pad", "logit +1.452", "layer 3, mean of heads"]
    {
        assert!(all.contains(part), "{part}");
    }
    assert_eq!(
        texts(&page, "details summary"),
        ["by tokens", "how it was computed", "Prediction", "Attention", "The model"]
    );
    assert_eq!(texts(&page, "figure svg rect").len(), 64);
}

#[tokio::test]
async fn colours_depend_on_the_sign() {
    let service = start().await;
    let classes = async |method: &str| {
        let body =
            json!({"inputs": "The plot is not good.", "methods": [method], "attention": false});
        let page = ask(&service, body).await;
        let words = Selector::parse(".xp-w").unwrap();
        page.select(&words).flat_map(|word| word.value().classes()).collect::<String>()
    };
    let signed = classes("input_x_gradient").await;
    assert!(signed.contains("xp-f") && signed.contains("xp-a") && !signed.contains("xp-m"));
    let unsigned = classes("saliency").await;
    assert!(!unsigned.contains("xp-f") && !unsigned.contains("xp-a") && unsigned.contains("xp-m"));
}

#[tokio::test]
async fn hostile_texts_are_escaped() {
    let service = start().await;
    for hostile in HOSTILE {
        let body = json!({
            "inputs": [{"text": hostile, "text_pair": hostile, "id": hostile}],
            "methods": ["saliency", {"name": "integrated_gradients", "n_steps": 2,
                                     "baseline": {"text": "<b>"}}],
            "granularity": ["token", "word", "sentence"],
        });
        let page = ask(&service, body).await;
        assert!(!texts(&page, ".xp-w").is_empty(), "{hostile:?}");
    }
    let body = json!({"inputs": "<b>bold</b> & \"so\" on", "attention": false});
    let page = ask(&service, body).await;
    let text = texts(&page, "section > bdi.xp-text").concat();
    assert!(text.starts_with('<') && text.contains('&'), "{text}");
}

#[tokio::test]
async fn errors_of_inputs_are_shown_with_the_other_results() {
    let service = start().await;
    let body = json!({
        "inputs": [GREAT, {"text": "", "id": "<empty>"}, "Bad."],
        "target": "all", "methods": ["saliency", "occlusion"], "attention": true,
    });
    let page = ask(&service, body).await;
    assert_eq!(texts(&page, "h1"), ["3 texts, explained by sentiment-en"]);
    assert_eq!(texts(&page, "h2"), [GREAT, "<empty>", "Bad."]);
    let error = &texts(&page, ".xp-error")[0];
    assert!(error.contains("Input empty") && error.contains("/inputs/1/text"), "{error}");
    let explained = texts(&page, "h3");
    assert!(explained.contains(&"saliency of NEGATIVE".to_owned()), "{explained:?}");
    let maps = texts(&page, "figcaption");
    assert_eq!(maps.len(), 2 * 4 * 5);
    assert!(maps[0].starts_with("layer 0, head 0 0.000 "), "{}", maps[0]);
    assert!(maps[0].contains(". Strongest attention of each token: [CLS] to "));
}

#[tokio::test]
async fn the_number_of_cells_is_limited() {
    let service = start().await;
    let long = "good and bad ".repeat(30);
    let page = ask(&service, json!({"inputs": long, "methods": [], "attention": true})).await;
    // 92 tokens: two matrices of 8464 cells fit into 20,000.
    assert_eq!(texts(&page, "figure").len(), 2);
    let note = texts(&page, "main").concat();
    assert!(note.contains("2 of 20 matrices are shown"), "{note}");
}

#[tokio::test]
async fn chinese_text_has_a_lang_attribute() {
    let body = json!({"model": "sentiment-zh", "inputs": "这部电影真的很棒"});
    let page = ask(&start().await, body).await;
    let words = Selector::parse("section > bdi.xp-text").unwrap();
    assert_eq!(page.select(&words).next().unwrap().attr("lang"), Some("zh"));
    assert!(texts(&page, "section > bdi.xp-text > .xp-w")[4].starts_with('棒'));
}

#[tokio::test]
async fn spans_and_sentences_are_coloured() {
    let body = json!({"inputs": "Good. Bad.", "spans": [[0, 5]], "granularity": "sentence"});
    let page = ask(&start().await, body).await;
    assert_eq!(texts(&page, "details summary")[0], "by sentences");
    assert!(texts(&page, "section > bdi.xp-text > .xp-w")[0].starts_with("Good."));
}

#[tokio::test]
async fn every_task_has_its_page() {
    let running = tasks::start().await;
    let pair = json!({"text": "What was good?", "text_pair": "The film was very good."});
    for (model, inputs, words) in [
        ("tokens", json!("The actor made it."), "B-"),
        ("answer", pair.clone(), "Answer: "),
        ("masks", json!("It is <mask> good."), "Predictions for token"),
        ("next", pair.clone(), "IS_NEXT"),
        ("similar", pair, "Contribution of token pairs to the cosine"),
    ] {
        let body = json!({"model": model, "inputs": inputs, "target": "all"});
        let reply = running.render("text/html", body.clone()).await;
        let page = page(&reply);
        let all = texts(&page, "main").concat();
        assert!(all.contains(words), "{model}: {all}");
        assert!(!texts(&page, "bdi.xp-text").is_empty(), "{model}");
    }
    let single = json!({"model": "similar", "inputs": "alone", "methods": []});
    let page = ask(&running, single).await;
    assert!(texts(&page, "main").concat().contains("a vector of 20 numbers"));
}
