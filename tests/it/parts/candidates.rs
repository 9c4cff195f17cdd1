//! A text in pairs with the hypotheses of candidates.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use explaind::checkpoint::Source;
use explaind::explanation::{
    Candidates, Class, Explained, HypothesisWords, LabelChoice, Predicted, Question, Target,
};
use explaind::model::{Model, Placement};
use explaind::rows::{self, Baseline, LayerOutput, Output, Row, RowOutput, Scalar, Want};
use explaind::text::Encoding;
use explaind::text::tokenizer::Truncate;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::{Alone, assert_served, compare, explain, lens, looking, reference, run};
use crate::support::{golden_folder, input, load, method};

const TEXT: &str = "The actor made the best film.";
/// Hypotheses of different lengths. The target's is neither the longest nor the shortest.
const LABELS: [&str; 3] = ["movies", "the weather", "the weather in the very long winter"];
const TARGET: usize = 1;
/// The output of entailment.
const ENTAILED: usize = 2;

fn asked(model: &Arc<Model>) -> Question {
    let candidates = Candidates {
        labels: LABELS.iter().map(|label| (*label).into()).collect(),
        hypotheses: LABELS.iter().map(|label| format!("This is about {label}.")).collect(),
        choice: LabelChoice::One,
        words: HypothesisWords::Fixed,
    };
    Question {
        candidates: Some(Arc::new(candidates)),
        target: Target::Class { token: None, class: Class::Index(TARGET) },
        output: Output::Probability,
        ..looking(model, input(TEXT, None))
    }
}

fn pairs(model: &Model) -> Vec<Encoding> {
    let pair = |label: &&str| {
        let input = input(TEXT, Some(&format!("This is about {label}.")));
        model.encode(&input, Truncate::No).unwrap()
    };
    LABELS.iter().map(pair).collect()
}

fn forward(pair: &Encoding) -> Row {
    Row::forward(Arc::clone(&pair.ids), [].into())
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let all: f64 = logits.iter().map(|z| z.exp()).sum();
    logits.iter().map(|z| z.exp() / all).collect()
}

/// Returns the derivatives of the target's probability with respect to the logits.
fn slopes(logits: &[f64]) -> Vec<f64> {
    let p = softmax(logits);
    let of_pair = |j: usize| p[TARGET] * (f64::from(u8::from(j == TARGET)) - p[j]);
    (0..logits.len()).map(of_pair).collect()
}

#[tokio::test]
async fn views_add_up_over_pairs_by_the_chain_rule() {
    let model = reference("bert-nli");
    let pairs = pairs(&model);
    let alone: Vec<Alone> =
        pairs.iter().map(|pair| Alone::of(&model, &forward(pair), ENTAILED)).collect();
    let logits: Vec<f64> =
        pairs.iter().map(|pair| run(&model, forward(pair)).logits[ENTAILED]).collect();
    let slopes = slopes(&logits);
    let explained = explain(&model, asked(&model)).await;
    let (layers, heads) = (0..model.layers(), 0..model.heads());
    let importance = |layer: usize, head: usize| {
        slopes.iter().zip(&alone).map(|(w, own)| w * own.importance[layer][head]).sum::<f64>()
    };
    // A head is switched off in all pairs at the same time.
    let change = |layer: usize, head: usize| {
        let logits: Vec<f64> = alone.iter().map(|own| own.without[layer][head]).collect();
        softmax(&logits)[TARGET]
    };
    let served = softmax(&logits)[TARGET];
    let of_heads = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        layers.clone().map(|layer| heads.clone().map(|head| of(layer, head)).collect()).collect()
    };
    let mean = |states: &Vec<f64>| states.iter().sum::<f64>() / states.len() as f64;
    let sensitivity =
        |layer: usize| slopes.iter().zip(&alone).map(|(w, own)| w * own.sensitivity[layer]).sum();
    compare(
        &explained,
        [of_heads(&importance), of_heads(&|layer, head| change(layer, head) - served)],
        [
            // The place is that of the target's pair.
            alone[TARGET].states.iter().map(mean).collect(),
            layers.clone().map(sensitivity).collect(),
        ],
    );
    let predictions = lens(&explained);
    assert_served(predictions.last().unwrap(), &explained.predicted);
    for (layer, predicted) in predictions.iter().enumerate() {
        let logit = |pair: &Encoding| {
            let output = run(&model, Row { want: Want::Lens, ..forward(pair) });
            output.lens[layer].logits[ENTAILED]
        };
        let probabilities = softmax(&pairs.iter().map(logit).collect::<Vec<_>>());
        let Predicted::Labels(list) = predicted else { panic!("labels") };
        for one in list {
            assert!((one.probability - probabilities[one.index]).abs() < 1e-12, "layer {layer}");
        }
    }
}

/// The states and gradients of one pair at a point of the path, on which its hypothesis stays.
fn at(model: &Model, pair: &Encoding, shared: usize, alpha: f64) -> RowOutput {
    let pad = model.text.pad().unwrap();
    let ids = pair.tokens.iter().enumerate().map(|(i, token)| match token.special || i >= shared {
        true => token.id,
        false => pad,
    });
    let held = pair.tokens.len() - shared;
    let path = rows::Path { baseline: Baseline::Ids(ids.collect()), alpha, noise: None, held };
    let scalar = Scalar::one(Output::Logit, ENTAILED);
    let want = Want::Layers(1..model.layers() + 1, Some(scalar));
    run(model, Row { path: Some(path), want, ..forward(pair) })
}

/// Points of the path in all pairs.
struct Points {
    /// `[points][pairs]`
    outputs: Vec<Vec<RowOutput>>,
    /// The derivatives of the target with respect to the pairs' logits, `[points][pairs]`.
    slopes: Vec<Vec<f64>>,
    width: usize,
    /// Number of tokens of the target's pair.
    tokens: usize,
}

impl Points {
    fn of(model: &Model, pairs: &[Encoding], steps: usize) -> Self {
        let shared = pairs[0].tokens.iter().position(|token| token.segment == 1 && !token.special);
        let point = |k: usize| -> Vec<RowOutput> {
            let alpha = k as f64 / steps as f64;
            pairs.iter().map(|pair| at(model, pair, shared.unwrap(), alpha)).collect()
        };
        let outputs: Vec<Vec<RowOutput>> = (0..=steps).map(point).collect();
        let slope = |pairs: &Vec<RowOutput>| {
            slopes(&pairs.iter().map(|pair| pair.values[0]).collect::<Vec<_>>())
        };
        let slopes = outputs.iter().map(slope).collect();
        Self { outputs, slopes, width: model.width(), tokens: pairs[TARGET].tokens.len() }
    }

    /// Returns what flows through each token after a layer, by every `stride`-th point.
    fn trapezoids(&self, layer: usize, stride: usize) -> Vec<f64> {
        let mut scores = vec![0.; self.tokens];
        for from in (0..self.outputs.len() - 1).step_by(stride) {
            let to = from + stride;
            for pair in 0..LABELS.len() {
                let [a, b]: [&LayerOutput; 2] =
                    [from, to].map(|point| &self.outputs[point][pair].layers[layer]);
                let [w, v] = [from, to].map(|point| self.slopes[point][pair]);
                for i in 0..a.states.len() {
                    let gradient = (w * a.gradient[i] + v * b.gradient[i]) / 2.;
                    // What flows through the end of a longer hypothesis is shown at the last token.
                    let place = (i / self.width).min(self.tokens - 1);
                    scores[place] += gradient * (b.states[i] - a.states[i]);
                }
            }
        }
        scores
    }

    /// Extrapolates to steps of length 0.
    fn integral(&self, layer: usize) -> Vec<f64> {
        let [fine, coarse] = [1, 2].map(|stride| self.trapezoids(layer, stride));
        fine.iter().zip(coarse).map(|(fine, coarse)| (4. * fine - coarse) / 3.).collect()
    }
}

#[tokio::test]
async fn conductance_is_the_integral_over_all_pairs() {
    let model = reference("bert-nli");
    let pairs = pairs(&model);
    let tokens = pairs[TARGET].tokens.len();
    assert!(pairs.iter().any(|pair| pair.tokens.len() > tokens));
    let points = Points::of(&model, &pairs, 200);
    let options = serde_json::json!({"tolerance": 1e-5, "max_steps": 257});
    let question =
        Question { methods: vec![method("integrated_gradients", &options)], ..asked(&model) };
    let explained = explain(&model, question).await;
    let conductance = explained.inside.as_ref().unwrap().conductance.as_ref().unwrap();
    assert!(conductance.converged);
    let ig = &explained.explanations[0];
    let change = ig.output_value - ig.completeness.unwrap().baseline_value;
    for (layer, ours) in conductance.tokens.iter().enumerate() {
        let expected = points.integral(layer);
        let gap: f64 = ours.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
        let size: f64 = expected.iter().map(|score| score.powi(2)).sum();
        let error = (gap / size).sqrt();
        println!("layer {}: {error:.1e}, {} steps", layer + 1, conductance.n_steps);
        assert!(error < 1e-4, "layer {layer}: {error} {ours:?} {expected:?}");
        let sum: f64 = ours.iter().sum();
        assert!((sum - change - conductance.deltas[layer]).abs() < 1e-9, "{sum} {change}");
        assert_eq!(ours.len(), tokens);
    }
}

/// With the hypothesis on the path too, a candidate's logit is that of its pair as plain texts.
#[tokio::test]
async fn one_pair_is_a_plain_pair() {
    let model = load(Source::Directory(golden_folder("bert-nli")), &Placement::default());
    let question = asked(&model);
    let candidates = question.candidates.as_deref().unwrap();
    let candidates = Candidates { words: HypothesisWords::Explained, ..candidates.clone() };
    let question =
        Question { output: Output::Logit, candidates: Some(Arc::new(candidates)), ..question };
    let jointly = explain(&model, question).await;
    let pair = input(TEXT, Some(&format!("This is about {}.", LABELS[TARGET])));
    let plain = Question {
        target: Target::Class { token: None, class: Class::Index(ENTAILED) },
        ..looking(&model, pair)
    };
    let plain = explain(&model, plain).await;
    let views = |explained: &Explained| {
        let inside = explained.inside.as_ref().unwrap();
        let conductance = inside.conductance.as_ref().unwrap();
        (
            conductance.tokens.clone(),
            conductance.words.clone(),
            (conductance.deltas.clone(), conductance.n_steps),
            inside.head_importance.as_ref().unwrap().scores.clone(),
            inside.ablation.as_ref().unwrap().heads.clone(),
            explained.concepts[0].places.clone(),
        )
    };
    assert_eq!(views(&jointly), views(&plain), "to the last bit");
}

/// Writes the model with a factor on one head's context: on the columns of the weights that read
/// it. Weights have so few digits that the products are exact in f32.
fn gated(from: &Path, to: &Path, gate: Option<(usize, usize, f32)>) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let file = fs::read(from.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let changed = |name: &str, tensor: &TensorView<'_>| -> Vec<u8> {
        let numbers = tensor.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        let short = numbers.map(|x| f32::from_bits(x.to_bits() & !0xFFF));
        let width = *tensor.shape().last().unwrap();
        let factor = |index: usize| match gate {
            Some((layer, head, factor))
                if name.ends_with(&format!("layer.{layer}.attention.output.dense.weight"))
                    && index % width / (width / 2) == head =>
            {
                factor
            }
            _ => 1.,
        };
        short.enumerate().flat_map(|(index, x)| (factor(index) * x).to_le_bytes()).collect()
    };
    let all: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .tensors()
        .iter()
        .filter(|(_, tensor)| tensor.dtype() == Dtype::F32)
        .map(|(name, tensor)| (name.clone(), tensor.shape().to_vec(), changed(name, tensor)))
        .collect();
    assert!(gate.is_none_or(|(layer, ..)| {
        let end = format!("layer.{layer}.attention.output.dense.weight");
        all.iter().any(|(name, ..)| name.ends_with(&end))
    }));
    let views = all.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    fs::write(to.join("model.safetensors"), serialize(views, None).unwrap()).unwrap();
}

fn with_gate(gate: Option<(usize, usize, f32)>) -> Arc<Model> {
    let folder = tempfile::tempdir().unwrap();
    gated(&golden_folder("bert-nli"), folder.path(), gate);
    load(Source::Directory(folder.path().to_owned()), &Placement::reference().unwrap())
}

async fn probability(model: &Arc<Model>) -> f64 {
    let explained =
        explain(model, Question { inside: Vec::new(), concepts: Vec::new(), ..asked(model) });
    let Predicted::Labels(list) = explained.await.predicted else { panic!("labels") };
    list.iter().find(|one| one.index == TARGET).unwrap().probability
}

#[tokio::test]
async fn importance_is_the_slope_of_a_gate_in_all_pairs() {
    let model = with_gate(None);
    assert_eq!(model.heads(), 2);
    let explained = explain(&model, asked(&model)).await;
    let scores = explained.inside.unwrap().head_importance.unwrap().scores;
    let step = 2_f32.powi(-8);
    for (layer, heads) in scores.iter().enumerate() {
        for (head, score) in heads.iter().enumerate() {
            let at = async |steps: f32| {
                probability(&with_gate(Some((layer, head, 1. + steps * step)))).await
            };
            let (near, far) = (at(1.).await - at(-1.).await, at(2.).await - at(-2.).await);
            let slope = (8. * near - far) / (12. * f64::from(step));
            assert!((slope - score).abs() < 1e-6 * score.abs(), "{layer} {head}: {slope} {score}");
        }
    }
}
