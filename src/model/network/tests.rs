//! Backward passes of every architecture in f64: gradients reach every token at every layer, and
//! are the derivative of the explained scalar.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::backward::Observer;
use super::*;
use crate::backend::candle::Candle;
use crate::checkpoint::{Cancellation, Source};
use crate::model::{Model, Placement};
use crate::rows::{Baseline, Layer, Output, Path, Reduce, Scalar};
use crate::text::Input;
use crate::text::tokenizer::Truncate;

/// One folder per architecture, per token-level head, and per kind of sentence-transformers
/// modules.
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

/// Returns a row of the folder's first golden text. A head with outputs per token reads the second
/// token.
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

/// Returns the gradient's norm per token: at each layer's input, last layer first, and at the
/// embedding block's output.
fn gradients(folder: &str) -> Vec<Vec<f64>> {
    let model = load(folder);
    let b = Candle::reference();
    let checkpoint =
        Checkpoint::read(&source(folder), &Cancellation::default()).expect("the files");
    let network =
        Network::load(&model.encoder, &model.head.block, model.activation(), &b, &checkpoint)
            .expect("the weights");
    let rows = [Row { want: Want::Gradients(Reduce::TimesInput, logit()), ..row(folder, &model) }];
    let packed = Packed::new(&[&rows[0]], &network.head.pooling);
    let output_tokens = network.output_tokens(&packed, 0);
    let pass =
        Pass { b: &b, output_tokens, packed, first_layer: 0, repeats: None, head: &network.head };
    let forwarded = network.forward(&pass).expect("a forward pass");
    let mut norms = Norms { b: &b, norms: Vec::new() };
    let start = network.backward_layers(&pass, &forwarded, 0, 1, &mut norms);
    let at_start = norms.of(&start.expect("a backward pass"));
    norms.norms.push(at_start);
    norms.norms
}

/// Records the gradient's norm per token at each layer's input.
struct Norms<'a> {
    b: &'a Candle,
    norms: Vec<Vec<f64>>,
}

impl Norms<'_> {
    fn of(&self, gradient: &<Candle as Backend>::Array) -> Vec<f64> {
        let rows = self.b.rows(gradient).expect("numbers");
        rows.iter().map(|row| crate::rows::norm(row)).collect()
    }
}

impl Observer<Candle> for Norms<'_> {
    fn after(
        &mut self,
        _layer: usize,
        _gradient: &<Candle as Backend>::Array,
    ) -> Result<(), <Candle as Backend>::Error> {
        Ok(())
    }

    fn within(
        &mut self,
        _index: usize,
        grads: &layer::LayerGradients<Candle>,
    ) -> Result<(), <Candle as Backend>::Error> {
        let norms = self.of(&grads.input);
        self.norms.push(norms);
        Ok(())
    }
}

#[test]
fn a_gradient_reaches_every_token_at_every_layer() {
    for folder in FOLDERS {
        let model = load(folder);
        let tokens = row(folder, &model).tokens.len();
        let all_norms = gradients(folder);
        assert_eq!(all_norms.len(), model.layers() + 1);
        for (layer, norms) in all_norms.iter().enumerate() {
            assert_eq!(norms.len(), tokens, "{folder}, {layer} layers from the end");
            let unreached = norms.iter().position(|norm| !norm.is_finite() || *norm < 1e-9);
            assert_eq!(unreached, None, "{folder}, {layer} layers from the end: {norms:?}");
        }
    }
}

/// Along a path `x' + alpha (x - x')`, the derivative of the explained scalar with respect to
/// `alpha` is the sum of the gradient times `x - x'`.
#[test]
fn the_gradient_along_a_path_is_the_slope() {
    for folder in FOLDERS {
        let model = load(folder);
        let row = row(folder, &model);
        // Zero word embeddings are not a useful baseline for a model whose next step is a norm.
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
            // A short step is unlikely to cross a kink of ReLU.
            let step = if model.is_smooth() { 3e-4 } else { 3e-6 };
            let difference = |step: f64| value(0.7 + step) - value(0.7 - step);
            let measured = (8. * difference(step) - difference(2. * step)) / (12. * step);
            let gap = (slope - measured).abs() / slope.abs();
            assert!(gap < 1e-6, "{folder}, {layer:?}, {baseline:?}: {slope} and {measured}");
        }
    }
}
