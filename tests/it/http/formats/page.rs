//! Pages, read back by a browser's parser.

use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::{GREAT, HOSTILE, inert, text};
use crate::http::tasks;
use crate::support::service::{Reply, Running, start};

const ELEMENTS: &str = "html head meta title style body main section h1 h2 h3 p bdi span strong \
                        code table caption thead tbody tr th td details summary div figure \
                        figcaption svg rect text ul li wbr";
const ATTRIBUTES: &str = "lang charset name content class title scope tabindex role aria-label \
                          aria-hidden colspan rowspan width height viewBox x y text-anchor \
                          transform font-size";

/// A good page. Nothing in it is of another kind than the page's own.
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
    page(&service.form("text/html", body).await)
}

/// The texts of all elements that a selector finds.
pub fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| element.text().collect()).collect()
}

#[tokio::test]
async fn words_have_their_numbers_for_the_eye_and_the_ear() {
    let service = start().await;
    let body = json!({"inputs": GREAT});
    let answer = service.explain(body.clone()).await;
    let page = ask(&service, body).await;
    assert_eq!(texts(&page, "h1"), ["What sentiment-en made of it"]);
    assert_eq!(texts(&page, "tbody th"), ["POSITIVE", "NEGATIVE"]);
    let explanation = &answer["results"][0]["explanations"][0];
    let words = texts(&page, "section > bdi.xp-text > .xp-w");
    let number =
        |i: usize| format!("{:+.3}", explanation["attributions"]["word"][i].as_f64().unwrap());
    assert_eq!(words[4], "great");
    let numbers = texts(&page, "section > bdi.xp-text > .xp-num");
    assert_eq!(numbers[4], format!(" {} ", number(4)));
    let shown = Selector::parse("section > bdi.xp-text > .xp-w").unwrap();
    let great = page.select(&shown).nth(4).unwrap();
    assert_eq!(great.attr("title"), Some(&*number(4)));
    assert!(great.value().classes().any(|class| class == "xp-f16"), "the deepest orange");
    let all = texts(&page, "main").concat();
    for part in ["converged in 17 steps", "baseline pad", "logit +1.452", "layer 3, mean of heads"]
    {
        assert!(all.contains(part), "{part}");
    }
    assert_eq!(texts(&page, "details summary"), ["by tokens"]);
    assert_eq!(texts(&page, "svg rect").len(), 64);
}

#[tokio::test]
async fn signs_have_their_own_colours() {
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
async fn hostile_texts_are_text() {
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
    let said = texts(&page, "section > bdi.xp-text").concat();
    assert!(said.starts_with('<') && said.contains('&'), "{said}");
}

#[tokio::test]
async fn a_list_shows_its_errors_beside_the_answers() {
    let service = start().await;
    let body = json!({
        "inputs": [GREAT, {"text": "", "id": "<empty>"}, "Bad."],
        "target": "all", "methods": ["saliency", "occlusion"], "attention": true,
    });
    let page = ask(&service, body).await;
    assert_eq!(texts(&page, "h2"), ["Input 1", "Input 2: <empty>", "Input 3"]);
    let error = &texts(&page, ".xp-error")[0];
    assert!(error.contains("Input empty") && error.contains("/inputs/1/text"), "{error}");
    let explained = texts(&page, "h3");
    assert!(explained.contains(&"saliency of NEGATIVE".to_owned()), "{explained:?}");
    let maps = texts(&page, "figcaption");
    assert_eq!(maps.len(), 2 * 4 * 5);
    assert!(maps[0].starts_with("layer 0, head 0 0.000 "), "{}", maps[0]);
    assert!(maps[0].contains(". Each token looks most at: [CLS] to "));
}

#[tokio::test]
async fn a_page_holds_so_many_cells() {
    let service = start().await;
    let long = "good and bad ".repeat(30);
    let page = ask(&service, json!({"inputs": long, "methods": [], "attention": true})).await;
    // 92 tokens: two matrices of 8464 cells fit into 20,000.
    assert_eq!(texts(&page, "figure").len(), 2);
    let note = texts(&page, "main").concat();
    assert!(note.contains("2 of 20 matrices are drawn"), "{note}");
}

#[tokio::test]
async fn chinese_text_says_its_language() {
    let body = json!({"model": "sentiment-zh", "inputs": "这部电影真的很棒"});
    let page = ask(&start().await, body).await;
    let words = Selector::parse("section > bdi.xp-text").unwrap();
    assert_eq!(page.select(&words).next().unwrap().attr("lang"), Some("zh"));
    assert!(texts(&page, "section > bdi.xp-text > .xp-w")[4].starts_with('棒'));
}

#[tokio::test]
async fn spans_and_sentences_are_coloured_too() {
    let body = json!({"inputs": "Good. Bad.", "spans": [[0, 5]], "granularity": "sentence"});
    let page = ask(&start().await, body).await;
    assert_eq!(texts(&page, "details summary"), ["by sentences"]);
    assert!(texts(&page, "section > bdi.xp-text > .xp-w")[0].starts_with("Good."));
}

#[tokio::test]
async fn every_task_has_its_page() {
    let running = tasks::start().await;
    let pair = json!({"text": "What was good?", "text_pair": "The film was very good."});
    for (model, inputs, words) in [
        ("tokens", json!("The actor made it."), "B-"),
        ("answer", pair.clone(), "Answer: "),
        ("masks", json!("It is <mask> good."), "What may stand at token"),
        ("next", pair.clone(), "IS_NEXT"),
        ("similar", pair, "What pairs of tokens add to the cosine"),
    ] {
        let body = json!({"model": model, "inputs": inputs, "target": "all"});
        // Only what a task knows as all.
        let reply = running.form("text/html", body.clone()).await;
        let page = page(&reply);
        let all = texts(&page, "main").concat();
        assert!(all.contains(words), "{model}: {all}");
        assert!(!texts(&page, "bdi.xp-text").is_empty(), "{model}");
    }
    let alone = json!({"model": "similar", "inputs": "alone", "methods": []});
    let page = ask(&running, alone).await;
    assert!(texts(&page, "main").concat().contains("a vector of 20 numbers"));
}
