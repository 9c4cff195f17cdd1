//! What runs on a GPU, on candle's CPU device: independence of the batch, reduced precision, and
//! the limits of memory that warm-ups and passes find.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use explaind::checkpoint::Source;
use explaind::config::{DeviceName, ModelEntry};
use explaind::engine::{LOAD_TIME, ModelPool, ModelSpec};
use explaind::error::Error;
use explaind::explanation::Question;
use explaind::model::faults::{Fault, heal, inject};
use explaind::model::{Budget, Dtype, Model, Placement};
use explaind::rows::{Layer, Output, Reduce, Row, RowOutput, Scalar, Want};
use explaind::text::tokenizer::Truncate;
use serde_json::json;
use tokio::sync::Mutex;

use crate::support::service::{start_with, untimed};
use crate::support::{
    CLASSIFIERS, devices, explainer, golden_folder, input, load, method, question, relative_error,
};

fn model(folder: &str, placement: &Placement) -> Arc<Model> {
    load(Source::Directory(golden_folder(folder)), placement)
}

/// Returns forward and gradient rows of texts of several lengths.
fn rows(model: &Model) -> Vec<Row> {
    let mut rows = Vec::new();
    for words in [1, 2, 4, 7, 11, 16] {
        let text = "the film was a good story and it is great ".repeat(2);
        let text: Vec<&str> = text.split(' ').take(words).collect();
        let encoding = model.encode(&input(&text.join(" "), None), Truncate::Yes).unwrap();
        let forward = Row::forward(encoding.ids, [].into());
        let scalars = vec![Scalar::one(Output::Logit, 0), Scalar::one(Output::Probability, 1)];
        for layer in [Layer::WordEmbeddings, Layer::Embeddings] {
            let want = Want::Gradients(Reduce::TimesInput, scalars.clone());
            rows.push(Row { want, layer, ..forward.clone() });
        }
        rows.push(forward);
    }
    rows
}

/// Returns the largest difference of each kind of number, relative to the largest of its kind over
/// all rows.
fn gaps(ours: &[RowOutput], theirs: &[RowOutput]) -> BTreeMap<&'static str, f64> {
    type Kind = fn(&RowOutput) -> Vec<f64>;
    let kinds: [(&str, Kind); 3] = [
        ("logits", |output| output.logits.clone()),
        ("probabilities", |output| output.probabilities.clone()),
        ("scores", |output| output.token_scores.concat()),
    ];
    let all = |outputs: &[RowOutput], kind: Kind| outputs.iter().flat_map(kind).collect::<Vec<_>>();
    let gap = |(name, kind)| (name, relative_error(&all(ours, kind), &all(theirs, kind)));
    kinds.into_iter().map(gap).collect()
}

/// A row is computed in the same shapes whatever shares the pass, except that products have as many
/// rows as the pass has tokens, and libraries may add in another order then.
#[test]
fn outputs_hardly_depend_on_the_batch() {
    for (placement, folder) in devices().iter().flat_map(|d| CLASSIFIERS.map(|folder| (d, folder)))
    {
        let model = model(folder, placement);
        let rows = rows(&model);
        let together = model.run(&rows).unwrap();
        let alone = |row| model.run(std::slice::from_ref(row)).unwrap().remove(0);
        let alone: Vec<RowOutput> = rows.iter().map(alone).collect();
        for (kind, gap) in gaps(&together, &alone) {
            println!("{folder} on {placement}: {kind} {gap:e}");
            assert!(gap <= 1e-5, "{folder} on {placement}: {kind} differ by {gap:e}");
        }
    }
}

/// Returns the largest gaps between a type of a device and f64: over models with random weights, and
/// of the built-in model.
fn gaps_of(placement: &Placement) -> [BTreeMap<&'static str, f64>; 2] {
    let folders = CLASSIFIERS.map(|folder| Source::Directory(golden_folder(folder)));
    let trained = "builtin:sentiment-en".parse().unwrap();
    let [mut random, mut of_trained] = [BTreeMap::new(), BTreeMap::new()];
    for source in folders.into_iter().chain([trained]) {
        let worst = match source {
            Source::Directory(_) => &mut random,
            _ => &mut of_trained,
        };
        let exact = load(source.clone(), &Placement::reference().unwrap());
        let reduced = load(source.clone(), placement);
        assert_eq!(reduced.dtype(), placement.dtype());
        let rows = rows(&exact);
        for (kind, gap) in gaps(&reduced.run(&rows).unwrap(), &exact.run(&rows).unwrap()) {
            println!("{source} on {placement}: {kind} {gap:e}");
            let largest: &mut f64 = worst.entry(kind).or_default();
            *largest = largest.max(gap);
        }
    }
    [random, of_trained]
}

/// The bounds of docs/guide/gpu.md. tf32 has more bits than bf16.
#[test]
fn reduced_precision_is_within_its_bounds() {
    for device in devices() {
        for dtype in [Dtype::Tf32, Dtype::Bf16] {
            let placement = device.with(dtype);
            if placement.dtype() != dtype.name() {
                continue;
            }
            let [random, trained] = gaps_of(&placement);
            for (kind, bound) in [("logits", 0.1), ("probabilities", 0.05), ("scores", 0.1)] {
                assert!(random[kind] <= bound, "{placement}: {kind} are {} off", random[kind]);
                let gap = trained[kind];
                assert!(gap <= 0.02, "{placement}: {kind} of the built-in model are {gap} off");
                // Not in full precision by mistake.
                assert!(gap > 1e-5, "{placement}: {kind} of the built-in model are {gap} off");
            }
        }
    }
}

/// Returns how many steps integrated gradients take for a tolerance that rounding alone exceeds, and
/// whether the scores are said to be within it.
async fn steps(placement: &Placement) -> (usize, bool) {
    let model = load("builtin:sentiment-en".parse().unwrap(), placement);
    let options = json!({"tolerance": 1e-6, "max_steps": 129});
    let methods = vec![method("integrated_gradients", &options)];
    let inputs = vec![input("a very good film", None)];
    let question = Question { methods, attention: None, ..question(&model, inputs) };
    let mut answer = explainer(&model).explain(question).await.unwrap();
    let explained = answer.results.remove(0).1.unwrap();
    let completeness = explained.explanations[0].completeness.unwrap();
    (completeness.n_steps.unwrap(), completeness.converged)
}

#[tokio::test]
async fn more_steps_are_not_taken_against_rounding() {
    let portable = Placement::portable().unwrap();
    let (full, _) = steps(&portable).await;
    let (rounded, converged) = steps(&portable.with(Dtype::Bf16)).await;
    assert!(rounded < full, "{rounded}, {full}");
    assert!(!converged);
}

#[test]
fn a_device_without_a_dtype_computes_in_f32() {
    let portable = Placement::portable().unwrap();
    assert_eq!(portable.with(Dtype::Tf32).dtype(), "f32");
    assert_eq!(portable.with(Dtype::Bf16).with(Dtype::F32).dtype(), "f32");
    for dtype in [Dtype::Tf32, Dtype::Bf16] {
        assert_eq!(Placement::default().with(dtype).dtype(), "f32");
        assert_eq!(Placement::reference().unwrap().with(dtype).dtype(), "f64");
    }
}

/// Faults of devices are of passes with the word "warm", which warm-ups and probes run. Held by the
/// tests that inject one, which would otherwise fail each other's passes.
static FAULTS: Mutex<()> = Mutex::const_new(());

const WORD: &str = "warm";

/// Loads the built-in model as the service does, with a warm-up of up to 256 tokens.
async fn warmed_up() -> Result<Arc<Model>, Vec<Error>> {
    let placement = Placement::portable().unwrap();
    let pool = ModelPool::new(Budget::default(), placement, LOAD_TIME).with_passes_of(256);
    let pool = Arc::new(pool);
    let spec = ModelSpec::new("builtin:sentiment-en".parse().unwrap(), None, Dtype::F32);
    pool.load_first(vec![("m".to_owned(), spec)]).await?;
    Ok(pool.get(None).unwrap())
}

#[tokio::test]
async fn a_warm_up_finds_how_many_tokens_fit() {
    let _faults = FAULTS.lock().await;
    assert_eq!(warmed_up().await.unwrap().most_tokens(), usize::MAX);
    let passes = inject(WORD, Fault::OutOfMemory(100));
    let model = warmed_up().await;
    heal(WORD);
    // Three short passes, then 256, 128 and 64 tokens.
    assert_eq!(passes.load(Ordering::Relaxed), 6);
    assert_eq!(model.unwrap().most_tokens(), 64);
    inject(WORD, Fault::OutOfMemory(4));
    let errors = warmed_up().await.err();
    heal(WORD);
    assert!(errors.unwrap()[0].detail.contains("out of memory on the device"));
}

#[tokio::test]
async fn without_memory_a_pass_is_halved_and_later_ones_are_as_small() {
    let _faults = FAULTS.lock().await;
    let model = warmed_up().await.unwrap();
    let ask = async || {
        let methods = vec![method("integrated_gradients", &json!({"n_steps": 40}))];
        let inputs = vec![input("a warm and very good film", None)];
        let question = Question { methods, attention: None, ..question(&model, inputs) };
        let mut answer = explainer(&model).explain(question).await.unwrap();
        let explained = answer.results.remove(0).1.unwrap();
        explained.explanations[0].scores[0].1.clone()
    };
    let with_memory = ask().await;
    assert_eq!(model.most_tokens(), usize::MAX);
    let passes = inject(WORD, Fault::OutOfMemory(40));
    let without = ask().await;
    let tried = passes.load(Ordering::Relaxed);
    assert!(relative_error(&without, &with_memory) < 1e-5);
    assert!(model.most_tokens() <= 64, "{}", model.most_tokens());
    // All passes are small enough now.
    ask().await;
    let again = passes.load(Ordering::Relaxed) - tried;
    heal(WORD);
    assert!(again < tried, "{again} passes after {tried}");
}

#[tokio::test]
async fn a_row_without_memory_fails_alone() {
    let _faults = FAULTS.lock().await;
    let model = warmed_up().await.unwrap();
    let service = explainer(&model);
    let ask = async |text: &str| {
        let question = Question { attention: None, ..question(&model, vec![input(text, None)]) };
        service.explain(question).await.map(|answer| answer.results[0].1.is_ok())
    };
    inject(WORD, Fault::OutOfMemory(8));
    let long = "a warm film that is much too long for the memory of this device";
    let (long, short) = tokio::join!(ask(long), ask("a good film"));
    heal(WORD);
    assert!(short.unwrap());
    assert!(!long.unwrap_or(false));
}

#[tokio::test]
async fn a_lost_device_is_an_unready_service() {
    let _faults = FAULTS.lock().await;
    let mut config = untimed();
    config.engine.device = DeviceName::Portable;
    config.models = vec![ModelEntry::new("en", "builtin:sentiment-en")];
    let service = start_with(&config).await;
    let body = json!({"inputs": "a warm film", "methods": ["saliency"]});
    let answer = service.explain(body.clone()).await;
    assert_eq!(answer["model"]["device"], "cpu");
    assert_eq!(service.get("/readyz").await.status, 200);
    inject(WORD, Fault::DeviceLost);
    service.post("/explain", body.clone()).await.problem(503, "not_ready");
    let problem = service.get("/readyz").await.problem(503, "not_ready");
    assert_eq!(problem["detail"], "passes fail; the log says why");
    heal(WORD);
    assert_eq!(service.get("/readyz").await.status, 200);
    service.explain(body).await;
}
