//! Reports on attention heads that cannot be switched off.

use explaind::checkpoint::Source;
use explaind::model::Placement;
use explaind::report::heads::{self, document, json, terminal};
use explaind::report::{Scope, Texts};
use explaind::text::tokenizer::Truncate;

use crate::support::{explainer_admitting, input, load};

const TEXTS: [&str; 2] = ["a very good film", "a very dull film"];

/// All heads of a text together cost more than is admitted; their importance does not.
#[tokio::test]
async fn the_importance_is_reported_without_ablations() {
    let model = load("builtin:sentiment-en".parse::<Source>().unwrap(), &Placement::default());
    let tokens = model.encode(&input(TEXTS[0], None), Truncate::No).unwrap().len();
    let (layers, heads) = (model.layers(), model.layers() * model.heads());
    // Both texts at once: the prediction, a row per layer for the patterns, and a gradient row.
    let measuring = 2 * tokens * (1 + layers + 1) * layers;
    assert!(tokens * (1 + heads) * layers > measuring, "too few heads");
    let explainer = explainer_admitting(&model, measuring);
    let texts = Texts {
        name: "texts.tsv".to_owned(),
        digest: "none".to_owned(),
        texts: TEXTS.map(str::to_owned).to_vec(),
        pairs: vec![None; 2],
        labels: vec![String::new(); 2],
        repeated: 0,
        of: 2,
    };
    let scope =
        Scope { explainer: &explainer, model: &model, texts: &texts, until: None, done: &|| {} };
    let folder = tempfile::tempdir().unwrap();
    let summary = heads::run(&scope, heads, folder.path(), &|_| {}).await.unwrap();
    assert_eq!((summary.texts, summary.failed, summary.heads.len()), (2, 0, heads));
    let report = json(&summary);
    let ablation = &report["ablation"];
    assert_eq!((&ablation["texts"], &ablation["failed"]), (&0.into(), &2.into()));
    assert_eq!(ablation["heads"], serde_json::json!([]));
    assert!(ablation["first_failure"].as_str().unwrap().contains("tokens x rows x layers"));
    let pages: Vec<(String, String)> = document(&summary).files();
    let markdown = &pages.iter().find(|(name, _)| name == "report.md").unwrap().1;
    for text in [&terminal(&summary), markdown] {
        assert!(text.contains("No text could be run without a head"), "{text}");
        assert!(text.contains("2 texts could not be run without the heads"), "{text}");
        assert!(text.contains("tokens x rows x layers"), "{text}");
    }
}
