//! What the tests share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use explaind::attribution::{self, Options};
use explaind::checkpoint::Source;
use explaind::engine::{self, Engine, ModelPool};
use explaind::explainer::{Explainer, Limits};
use explaind::explanation::{
    AttentionSelection, Granularity, Heads, Normalize, Question, Selection, Target,
};
use explaind::model::{Model, Placement};
use explaind::rows::Output;
use explaind::text::Input;
use explaind::text::tokenizer::Truncate;
use serde_json::Value;

pub fn golden_folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub fn load(source: Source, placement: &Placement) -> Arc<Model> {
    Arc::new(Model::load("tested", &source, placement).expect("the model loads"))
}

pub fn explainer(model: &Arc<Model>) -> Explainer {
    let pool = Arc::new(ModelPool::default());
    pool.fill(vec![Arc::clone(model)]);
    let limits = engine::Limits { batch_tokens: 256, queued_tokens: 1 << 24 };
    Explainer {
        pool,
        engine: Engine::start(limits).expect("the worker starts"),
        limits: Limits { inputs: 64, attention_values: 1 << 24, time: Duration::from_secs(600) },
    }
}

pub fn input(text: &str, text_pair: Option<&str>) -> Input {
    Input {
        id: None,
        text: text.to_owned(),
        text_pair: text_pair.map(str::to_owned),
        pointer: "/inputs".to_owned(),
    }
}

/// A question with every attention and no method, to build on.
pub fn question(model: &Arc<Model>, inputs: Vec<Input>) -> Question {
    let attention =
        AttentionSelection { layers: Selection::All, heads: Heads::Each(Selection::All) };
    Question {
        model: Arc::clone(model),
        inputs,
        target: Target::Predicted,
        output: Output::Logit,
        methods: Vec::new(),
        attention: Some(attention),
        granularity: vec![Granularity::Token, Granularity::Word],
        normalize: Normalize::None,
        truncate: Truncate::No,
        budget: None,
    }
}

pub fn method(name: &str, options: &Value) -> (&'static attribution::MethodEntry, Options) {
    let entry = attribution::find(name).expect("the method is there");
    let given = options.as_object().cloned().unwrap_or_default();
    (entry, Options::read(entry.options, &given).expect("the options are good"))
}

/// `max |a - b| / max |b|`
pub fn relative_error(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let gap = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
    let size = theirs.iter().map(|b| b.abs()).fold(0., f64::max);
    if size == 0. { gap } else { gap / size }
}
