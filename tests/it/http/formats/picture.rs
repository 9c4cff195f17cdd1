//! SVG pictures, parsed as strict XML.

use roxmltree::{Document, Node};
use serde_json::json;

use super::{GREAT, HOSTILE, inert, text};
use crate::http::tasks;
use crate::support::service::{Reply, start};

/// Returns the source and asserts that it is well-formed and has only known elements.
fn picture(reply: &Reply) -> String {
    let source = text(reply, "image/svg+xml");
    inert(reply, &source);
    let picture = Document::parse(&source).unwrap_or_else(|error| panic!("{error}: {source}"));
    for node in picture.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(
            ["svg", "title", "desc", "style", "rect", "text", "g"].contains(&name),
            "{name} in {source}"
        );
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(!name.starts_with("on") && !["href", "src", "style"].contains(&name), "{name}");
        }
    }
    source
}

/// Returns the text of the first element called `name`.
fn element_text<'a>(picture: &'a Document<'_>, name: &str) -> &'a str {
    picture.descendants().find(|node| node.has_tag_name(name)).and_then(|n| n.text()).unwrap()
}

fn words<'a>(picture: &'a Document<'_>) -> Vec<&'a str> {
    let words = picture.descendants().filter(|node| node.attribute("textLength").is_some());
    words.filter_map(|word| word.text()).collect()
}

#[tokio::test]
async fn words_are_laid_out_in_rows() {
    let service = start().await;
    let long = "This movie is really great. ".repeat(6);
    let reply = service.render("image/svg+xml", json!({"inputs": long})).await;
    let source = picture(&reply);
    let picture = Document::parse(&source).unwrap();
    assert_eq!(element_text(&picture, "title"), "Predictions of sentiment-en, explained");
    let desc = element_text(&picture, "desc");
    assert!(desc.contains("integrated_gradients of POSITIVE: This +0."), "{desc}");
    assert_eq!(words(&picture)[..6], ["This", "movie", "is", "really", "great", "."]);
    let root = picture.root_element();
    let number = |node: Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let mut rows: Vec<f64> = Vec::new();
    for word in picture.descendants().filter(|node| node.attribute("textLength").is_some()) {
        let end = number(word, "x") + number(word, "textLength");
        assert!(end <= number(root, "width"), "{end}");
        rows.push(number(word, "y"));
    }
    rows.dedup();
    assert!(rows.len() >= 3 && rows.is_sorted(), "{rows:?}");
    assert!(rows.iter().all(|&y| y < number(root, "height")));
}

#[tokio::test]
async fn chinese_words_are_twice_as_wide() {
    let body = json!({"model": "sentiment-zh", "inputs": "这部电影真的很棒"});
    let source = picture(&start().await.render("image/svg+xml", body).await);
    let picture = Document::parse(&source).unwrap();
    let width = |word: &str| {
        let node = picture.descendants().find(|node| node.text() == Some(word)).unwrap();
        node.attribute("textLength").unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(width("电影"), 4. * 8.4);
    assert_eq!(width("棒"), 2. * 8.4);
}

#[tokio::test]
async fn hostile_texts_are_escaped() {
    let service = start().await;
    for hostile in HOSTILE {
        let body = json!({
            "inputs": {"text": hostile, "text_pair": hostile, "id": hostile},
            "methods": [{"name": "integrated_gradients", "n_steps": 2,
                         "baseline": {"text": "]]></style>"}}],
        });
        let source = picture(&service.render("image/svg+xml", body).await);
        assert!(!words(&Document::parse(&source).unwrap()).is_empty(), "{hostile:?}");
    }
    let endless = "很".repeat(60) + &"x".repeat(600);
    picture(&service.render("image/svg+xml", json!({"inputs": endless, "truncate": true})).await);
}

#[tokio::test]
async fn the_picture_shows_the_first_input() {
    let service = start().await;
    let valid_first = json!({"inputs": [GREAT, ""], "methods": ["saliency"]});
    let source = picture(&service.render("image/svg+xml", valid_first).await);
    assert!(source.contains("magnitude only, no direction"));
    let empty_first = json!({"inputs": ["", GREAT], "methods": ["saliency"]});
    let problem = service.render("image/svg+xml", empty_first).await.problem(422, "input_empty");
    assert_eq!(problem["pointer"], "/inputs/0");
}

#[tokio::test]
async fn every_task_has_its_picture() {
    let running = tasks::start().await;
    let pair = json!({"text": "What was good?", "text_pair": "The film was very good."});
    for (model, inputs) in [
        ("tokens", json!("The actor made it.")),
        ("answer", pair.clone()),
        ("masks", json!("It is <mask> good.")),
        ("next", pair.clone()),
        ("similar", pair),
    ] {
        let body = json!({"model": model, "inputs": inputs});
        let source = picture(&running.render("image/svg+xml", body).await);
        assert!(!words(&Document::parse(&source).unwrap()).is_empty(), "{model}");
    }
}
