//! Walks back through every architecture in f64: a gradient reaches every token
//! at every layer, and is the derivative of what is explained.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::backend::candle::Candle;
use crate::checkpoint::{Cancellation, Source};
use crate::model::{Model, Placement};
use crate::rows::{Baseline, Output, Path, Reduce, Scalar};
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// A folder of each architecture, of the heads that read each token, and of
/// sentence-transformers' modules.
const FOLDERS: [&str; 21] = [
    "albert-sequence",
    "bert-tiny",
    "camembert-sequence",
    "deberta-c2p-sequence",
    "deberta-conv-sequence",
    "deberta-v2-sequence",
    "deberta-v3-sequence",
    "distilbert-sequence",
    "electra-sequence",
    "modernbert-mean-sequence",
    "modernbert-sequence",
    "mpnet-sequence",
    "roberta-sequence",
    "xlm-roberta-sequence",
    "albert-mlm",
    "bert-qa",
    "deberta-v3-tokens",
    "modernbert-mlm",
    "bert-embed-dense",
    "bert-rerank",
    "electra-embed-chain",
];

fn source(folder: &str) -> Source {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Source::Directory(root.join("tests/golden").join(folder))
}

fn load(folder: &str) -> Model {
    let placement = Placement::reference().expect("the feature candle");
    Model::load(folder, &source(folder), &placement).expect("the model loads")
}

/// The first text of its golden values. Of a head that reads each token, the
/// second token is read.
fn row(folder: &str, model: &Model) -> Row {
    let Source::Directory(path) = source(folder) else { unreachable!() };
    let golden = std::fs::read(path.join("golden.json")).expect("golden.json");
    let golden: Value = serde_json::from_slice(&golden).expect("JSON");
    let case = &golden["cases"][0];
    let text = |name: &str| case[name].as_str().map(str::to_owned);
    let input = Input {
        text: text("text").expect("a text"),
        text_pair: text("text_pair"),
        ..Input::default()
    };
    let encoding = model.encode(&input, Truncate::No).expect("tokens");
    let reads: &[usize] = if *model.pooling() == Pooling::Tokens { &[1] } else { &[] };
    Row::forward(encoding.ids, reads.into())
}

fn logit() -> Vec<Scalar> {
    vec![Scalar::one(Output::Logit, 0)]
}

/// The gradient's size at each token: at the input of each layer, the last
/// first, and at the embedding block's output.
fn gradients(folder: &str) -> Vec<Vec<f64>> {
    let model = load(folder);
    let b = Candle::reference();
    let checkpoint =
        Checkpoint::read(&source(folder), &Cancellation::default()).expect("the files");
    let network =
        Network::place(&model.encoder, &model.head.block, model.activation(), &b, &checkpoint)
            .expect("the weights");
    let rows = [Row { want: Want::Gradients(Reduce::TimesInput, logit()), ..row(folder, &model) }];
    let packed = Packed::new(&rows, &network.head.pooling);
    let pass = Pass { b: &b, wanted: network.wanted(&packed), packed };
    let forwarded = network.forward(&pass).expect("a forward pass");
    let sizes = |grad: &_| {
        let rows = b.rows(grad).expect("numbers");
        rows.iter().map(|row| crate::rows::norm(row)).collect::<Vec<f64>>()
    };
    let mut seen = Vec::new();
    let at_block = network
        .walk_back(&pass, &forwarded, 0, 1, &mut |_, walked| {
            seen.push(sizes(&walked.input));
            Ok(())
        })
        .expect("a walk back");
    seen.push(sizes(&at_block));
    seen
}

#[test]
fn a_gradient_reaches_every_token_at_every_layer() {
    for folder in FOLDERS {
        let model = load(folder);
        let tokens = row(folder, &model).tokens.len();
        let places = gradients(folder);
        assert_eq!(places.len(), model.layers() + 1);
        for (walked, sizes) in places.iter().enumerate() {
            assert_eq!(sizes.len(), tokens, "{folder}, {walked} layers back");
            let none = sizes.iter().position(|size| !size.is_finite() || *size < 1e-9);
            assert_eq!(none, None, "{folder}, {walked} layers back: {sizes:?}");
        }
    }
}

/// Along a path `x' + alpha (x - x')` the explained scalar's slope is the sum of
/// the products of gradient and `x - x'`.
#[test]
fn the_gradient_along_a_path_is_the_slope() {
    for folder in FOLDERS {
        let model = load(folder);
        let row = row(folder, &model);
        // The zero vector among the word embeddings is no direction to a model
        // whose next step is a norm.
        let others = row.tokens.input_ids.iter().rev().copied().collect::<Arc<[u32]>>();
        let paths = [
            (Layer::WordEmbeddings, Baseline::Ids(Arc::clone(&others))),
            (Layer::Embeddings, Baseline::Ids(others)),
            (Layer::Embeddings, Baseline::Zero),
        ];
        for (layer, baseline) in paths {
            let at = |alpha: f64, want: Want| {
                let path = Some(Path { baseline: baseline.clone(), alpha, noise: None, held: 0 });
                let row = Row { layer, path, want, ..row.clone() };
                model.run(&[row]).expect("a pass").remove(0)
            };
            let scores = at(0.7, Want::Gradients(Reduce::TimesDifference, logit())).token_scores;
            let slope: f64 = scores[0].iter().sum();
            let value = |alpha| at(alpha, Want::Values(logit())).values[0];
            // A short one is not likely to cross a place where ReLU bends.
            let step = if model.is_smooth() { 3e-4 } else { 3e-6 };
            let across = |step: f64| value(0.7 + step) - value(0.7 - step);
            let measured = (8. * across(step) - across(2. * step)) / (12. * step);
            let gap = (slope - measured).abs() / slope.abs();
            assert!(gap < 1e-6, "{folder}, {layer:?}, {baseline:?}: {slope} and {measured}");
        }
    }
}
