//! Properties of attributions that need no reference implementation.

use std::sync::Arc;

use explaind::attribution::perturbation::ReplacementKind;
use explaind::attribution::{Completeness, METHODS, MethodEntry, PairsOf};
use explaind::checkpoint::Source;
use explaind::evaluation::Settings;
use explaind::explanation::{Answer, Explained, Named, Predicted, Question, ScalarName, Target};
use explaind::model::{Model, Placement};
use explaind::rows::{Baseline, Layer, Output, Path, Reduce, Row, Scalar, Tokens, Want};
use explaind::text::tokenizer::Truncate;
use serde_json::{Value, json};

use crate::support::{explainer, golden_folder, input, load, method, question, relative_error};

fn tiny() -> Arc<Model> {
    load(Source::Directory(golden_folder("bert-tiny")), &Placement::reference().unwrap())
}

pub fn builtin() -> Arc<Model> {
    load("builtin:sentiment-en".parse().unwrap(), &Placement::default())
}

pub async fn explain(model: &Arc<Model>, question: Question) -> Vec<Explained> {
    let answer = explainer(model).explain(question).await.unwrap();
    answer.results.into_iter().map(|(_, result)| result.unwrap()).collect()
}

/// Compares the gradient with central differences in f64 along several directions, for both
/// embedding layers, logits and probabilities.
#[test]
fn the_encoders_gradient_equals_finite_differences() {
    let model = tiny();
    let tokens = |ids: &[u32]| {
        let position_ids = (0..ids.len() as u32).collect();
        let token_type_ids = vec![0; ids.len()];
        Arc::new(Tokens { input_ids: ids.to_vec(), token_type_ids, position_ids })
    };
    let input = tokens(&[2, 20, 33, 47, 5, 90, 3]);
    let mut checked = 0;
    for (seed, layer) in [(1, Layer::WordEmbeddings), (2, Layer::Embeddings)]
        .into_iter()
        .flat_map(|(seed, layer)| (0..4).map(move |i| (seed + 2 * i, layer)))
    {
        let baseline: Arc<[u32]> = (0..7).map(|i| (i * 29 + seed * 17) % 190).collect();
        for output in [Output::Logit, Output::Probability] {
            let scalar = Scalar::one(output, seed as usize % 3);
            let row = |alpha: f64| Row {
                layer,
                path: Some(Path {
                    baseline: Baseline::Ids(Arc::clone(&baseline)),
                    alpha,
                    noise: None,
                    held: 2,
                }),
                ..Row::forward(Arc::clone(&input), [].into())
            };
            let gradient = Want::Gradients(Reduce::TimesDifference, vec![scalar.clone()]);
            let step = 1e-5;
            let at = |alpha: f64| {
                let output = &model.run(&[row(alpha)]).unwrap()[0];
                scalar.value(&output.logits, &output.probabilities)
            };
            let numeric = (at(0.4 + step) - at(0.4 - step)) / (2. * step);
            let with_gradient = Row { want: gradient, ..row(0.4) };
            let analytic: f64 =
                model.run(&[with_gradient]).unwrap()[0].token_scores[0].iter().sum();
            assert!((analytic - numeric).abs() < 1e-7 * (1. + numeric.abs()));
            assert!(analytic.abs() > 1e-6, "the gradient is zero");
            checked += 1;
        }
    }
    assert_eq!(checked, 16);
}

fn for_one_text(entry: &&MethodEntry) -> bool {
    !matches!(entry.pairs, PairsOf::TwoTexts(_))
}

/// Every method for one text with its defaults, and integrated gradients with each layer and baseline.
fn variants() -> Vec<(&'static str, Value)> {
    let mut variants: Vec<(&str, Value)> =
        METHODS.iter().filter(for_one_text).map(|entry| (entry.name, json!({}))).collect();
    for layer in ["word_embeddings", "embeddings"] {
        for baseline in [json!("mask"), json!("zero"), json!({"text": "a bad film"})] {
            variants.push((
                "integrated_gradients",
                json!({"layer": layer, "baseline": baseline, "n_steps": 24}),
            ));
        }
    }
    variants
}

fn all_methods(model: &Arc<Model>, texts: &[&str]) -> Question {
    Question {
        target: Target::All,
        methods: variants().iter().map(|(name, options)| method(name, options)).collect(),
        ..question(model, texts.iter().map(|text| input(text, None)).collect())
    }
}

const TEXTS: [&str; 4] = [
    "This movie is really great.",
    "no",
    "The plot is not good, and 这部电影 is worse than the book that it was made from!",
    "fine then",
];

#[tokio::test]
async fn batched_equals_alone() {
    let model = builtin();
    let texts: Vec<&str> = TEXTS.iter().map(|text| text.trim()).collect();
    // The baseline "a bad film" has more tokens than the shorter texts.
    let longer = [texts[0], texts[2]];
    let together = explain(&model, all_methods(&model, &longer)).await;
    for (text, batched) in longer.iter().zip(together) {
        let alone = explain(&model, all_methods(&model, &[text])).await.remove(0);
        assert_eq!(alone.explanations.len(), 2 * variants().len());
        for (a, b) in alone.explanations.iter().zip(&batched.explanations) {
            for ((_, a), (_, b)) in a.scores.iter().zip(&b.scores) {
                assert_eq!(a, b, "scores are bit-identical");
            }
            assert_eq!(a.interactions, b.interactions, "and so are those of pairs");
        }
        let weights = |explained: &Explained| explained.attention.as_ref().unwrap().weights.clone();
        assert_eq!(weights(&alone), weights(&batched));
    }
}

#[tokio::test]
async fn inputs_without_the_same_words_run_once_for_all_methods() {
    let model = builtin();
    let names = ["occlusion", "lime", "kernel_shap", "partition_shap"];
    let ask = async |names: &[&str]| {
        let question = Question {
            methods: names.iter().map(|name| method(name, &json!({}))).collect(),
            ..question(&model, vec![input("a fine film", None)])
        };
        explainer(&model).explain(question).await.unwrap()
    };
    let together = ask(&names).await;
    let rows = together.usage.passes.forward_rows;
    assert_eq!(rows, 1 << 3, "one per subset of three words; the first pass is that of all");
    let explained = |answer: Answer| answer.results.into_iter().next().unwrap().1.unwrap();
    let together = explained(together).explanations;
    for (name, together) in names.iter().zip(together) {
        let alone = explained(ask(&[name]).await).explanations.remove(0);
        assert_eq!(alone.scores, together.scores, "{name}");
        assert_eq!(alone.sampling, together.sampling, "{name}");
    }
}

/// Measures of the same replacement run no input a second time, nor do other kinds of units.
#[tokio::test]
async fn measures_use_the_inputs_of_methods() {
    let model = builtin();
    let evaluate = Settings { replacement: ReplacementKind::Mask, ..Settings::default() };
    let mut methods: Vec<_> = ["lime", "kernel_shap", "partition_shap", "occlusion"]
        .map(|name| method(name, &json!({})))
        .into();
    methods.push(method("occlusion", &json!({"unit": "token"})));
    for target in [Target::Predicted, Target::All] {
        let measures = ["comprehensiveness", "sufficiency", "loo_correlation", "infidelity"];
        let evaluate = Settings { measures: measures.into(), ..evaluate.clone() };
        let question = Question {
            target,
            methods: methods.clone(),
            evaluate: Some(evaluate),
            ..question(&model, vec![input("a fine film", None)])
        };
        let answer = explainer(&model).explain(question).await.unwrap();
        assert_eq!(answer.usage.passes.forward_rows, 1 << 3);
    }
}

/// The expected sum is computed separately, by forward passes over the input and over the input
/// with its words replaced by padding.
#[tokio::test]
async fn scores_of_complete_methods_add_up() {
    let model = builtin();
    let ig = |layer: &str| method("integrated_gradients", &json!({"layer": layer, "n_steps": 300}));
    let logits = |tokens: Tokens| {
        let outputs = model.run(&[Row::forward(Arc::new(tokens), [].into())]).unwrap();
        outputs[0].logits.clone()
    };
    for text in TEXTS {
        let encoding = model.encode(&input(text, None), Truncate::No).unwrap();
        let pad = model.text.piece_id("[PAD]").unwrap();
        let padded = encoding.tokens.iter().map(|t| if t.special { t.id } else { pad });
        let padded = encoding.ids.with_ids(padded.collect());
        let (output, baseline) = (logits((*encoding.ids).clone()), logits(padded));
        let question = Question {
            methods: vec![ig("word_embeddings"), ig("embeddings")],
            ..question(&model, vec![input(text, None)])
        };
        for explanation in &explain(&model, question).await[0].explanations {
            let ScalarName::Class(Named { index: class, .. }) = explanation.target.what else {
                panic!("a class")
            };
            let sum: f64 = explanation.scores[0].1.iter().sum();
            let change = output[class] - baseline[class];
            assert!((sum - change).abs() < 1e-3, "{text}: {sum} against {change}");
            let completeness = explanation.completeness.unwrap();
            assert!((completeness.baseline_value - baseline[class]).abs() < 1e-5);
            assert!((completeness.convergence_delta - (sum - change)).abs() < 1e-5);
            assert!(completeness.converged);
        }
    }
}

#[tokio::test]
async fn word_scores_sum_to_token_scores_and_output_values_equal_predictions() {
    let model = builtin();
    for explained in explain(&model, all_methods(&model, &[TEXTS[0], TEXTS[2]])).await {
        let content = |token: &usize| !explained.tokens[*token].special;
        let content: Vec<usize> = (0..explained.tokens.len()).filter(content).collect();
        let mut owned: Vec<usize> =
            explained.words.iter().flat_map(|word| word.tokens.clone()).collect();
        owned.sort_unstable();
        assert_eq!(owned, content, "each token that is not special is in one word");
        for explanation in &explained.explanations {
            let (tokens, words) = (&explanation.scores[0].1, &explanation.scores[1].1);
            let all: f64 = content.iter().map(|&token| tokens[token]).sum();
            assert!((words.iter().sum::<f64>() - all).abs() < 1e-9, "{}", explanation.method.name);
        }
        for (class, explanation) in explained.explanations.iter().take(2).enumerate() {
            let Predicted::Labels(predictions) = &explained.predicted else { panic!("no labels") };
            let served = predictions.iter().find(|p| p.index == class).unwrap();
            assert!((served.logit - explanation.output_value).abs() < 1e-12);
        }
        let attention = explained.attention.as_ref().unwrap();
        for row in attention.weights.chunks(attention.tokens) {
            assert!((row.iter().sum::<f64>() - 1.).abs() < 1e-5);
        }
    }
}

#[tokio::test]
async fn a_contrast_is_the_difference_of_its_classes() {
    let model = tiny();
    let scores = async |target: Target| {
        let methods = vec![method("integrated_gradients", &json!({"n_steps": 8}))];
        let inputs = vec![input(TEXTS[0], None)];
        let question = Question { target, methods, ..question(&model, inputs) };
        let explained = explain(&model, question).await.remove(0);
        let list = explained.explanations.into_iter().map(|e| e.scores[0].1.clone());
        list.collect::<Vec<_>>()
    };
    let class = explaind::explanation::Class::Index;
    let each = scores(Target::All).await;
    let contrast =
        scores(Target::Contrast { token: None, classes: [class(2), class(0)] }).await.remove(0);
    let difference: Vec<f64> = each[2].iter().zip(&each[0]).map(|(a, b)| a - b).collect();
    assert!(relative_error(&contrast, &difference) < 1e-12);
}

/// Returns the scores of integrated gradients with these options, and their completeness.
async fn integrated(model: &Arc<Model>, text: &str, options: Value) -> (Vec<f64>, Completeness) {
    let methods = vec![method("integrated_gradients", &options)];
    let question = Question { methods, ..question(model, vec![input(text, None)]) };
    let explanation = explain(model, question).await.remove(0).explanations.remove(0);
    (explanation.scores[0].1.clone(), explanation.completeness.unwrap())
}

pub fn relative_l2(ours: &[f64], theirs: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied())
}

#[tokio::test]
async fn adaptive_steps_meet_their_tolerance() {
    let chinese = load("builtin:sentiment-zh".parse().unwrap(), &Placement::default());
    let mut max_steps = 0;
    for (model, texts) in [
        (builtin(), ["This movie is really great.", "The plot is not good, but the cast is."]),
        (chinese, ["这部电影真的很棒", "酒店的位置不错，但是房间很脏，服务员态度也差。"]),
    ] {
        for text in texts {
            for (layer, baseline) in [("word_embeddings", "pad"), ("embeddings", "mask")] {
                let path = json!({"layer": layer, "baseline": baseline});
                let with = |more: Value| {
                    let mut options = path.clone();
                    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                    integrated(&model, text, options)
                };
                let (exact, _) = with(json!({"n_steps": 300})).await;
                for tolerance in [0.05, 0.01, 0.001] {
                    let (scores, completeness) =
                        with(json!({"tolerance": tolerance, "max_steps": 1_100})).await;
                    assert!(completeness.converged, "{text} {tolerance}");
                    let error = relative_l2(&scores, &exact);
                    assert!(error <= 2. * tolerance, "{text}: {error} at {tolerance}");
                    max_steps = max_steps.max(completeness.n_steps.unwrap());
                }
            }
        }
    }
    assert!(max_steps > 17, "the first two quadrature rules were enough everywhere");
}

#[tokio::test]
async fn adaptive_steps_at_the_maximum_are_not_converged() {
    let model = load("builtin:sentiment-zh".parse().unwrap(), &Placement::default());
    let options = json!({"max_steps": 12, "tolerance": 0.001});
    let (_, completeness) = integrated(&model, "这部电影真的很棒", options).await;
    assert_eq!(completeness.n_steps, Some(9));
    assert!(!completeness.converged);
}

#[tokio::test]
async fn scores_of_a_class_do_not_depend_on_other_targets() {
    let model = load(Source::Directory(golden_folder("bert-tiny")), &Placement::default());
    let scores = async |target: Target| {
        let methods = vec![method("integrated_gradients", &json!({"tolerance": 0.003}))];
        let inputs = vec![input(TEXTS[2], None)];
        let question = Question { target, methods, ..question(&model, inputs) };
        explain(&model, question).await.remove(0).explanations
    };
    for (class, among) in scores(Target::All).await.into_iter().enumerate() {
        let class = explaind::explanation::Class::Index(class);
        let alone = scores(Target::Class { token: None, class }).await.remove(0);
        assert_eq!(alone.scores, among.scores);
        assert_eq!(alone.completeness, among.completeness);
    }
}

#[test]
fn incompatible_step_options_are_rejected() {
    let entry = explaind::attribution::find("integrated_gradients").unwrap();
    let options = |given: Value| entry.options(given.as_object().unwrap());
    let steps = |given: Value| options(given).unwrap().integer("n_steps");
    assert_eq!(steps(json!({})), None);
    assert_eq!(steps(json!({"n_steps": 7})), Some(7));
    assert_eq!(steps(json!({"quadrature": "riemann_left"})), Some(50), "Captum's default");
    for (given, pointer) in [
        (json!({"n_steps": "auto", "quadrature": "riemann_left"}), "/quadrature"),
        (json!({"n_steps": 50, "max_steps": 100}), "/max_steps"),
        (json!({"n_steps": 1, "quadrature": "riemann_trapezoid"}), "/n_steps"),
        (json!({"n_steps": "many"}), "/n_steps"),
        (json!({"max_steps": 8}), "/max_steps"),
        (json!({"tolerance": 0}), "/tolerance"),
    ] {
        assert_eq!(options(given).unwrap_err().pointer.as_deref(), Some(pointer));
    }
}
