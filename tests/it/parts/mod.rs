//! Views inside the model, and concepts, of inputs that are run as several sequences: windows of a
//! long text, and pairs of a text with the hypotheses of candidates. They are held against sums
//! worked out from rows of single sequences, in f64.

mod candidates;
mod windows;

use std::sync::Arc;

use explaind::checkpoint::Source;
use explaind::choice::Choice as _;
use explaind::explanation::{
    Axis, Concept, ConceptLayer, Explained, Lens, Predicted, Question, Separation, StoredConcept,
    Tcav, View,
};
use explaind::model::{Model, Placement};
use explaind::rows::{
    AttentionHead, MapHeads, MapKind, Maps, Output, Reduce, Row, RowOutput, Scalar, Want,
};

use crate::support::{explainer, golden_folder, load, question};

const LIMIT: f64 = 1e-9;

fn reference(folder: &str) -> Arc<Model> {
    load(Source::Directory(golden_folder(folder)), &Placement::reference().unwrap())
}

async fn explain(model: &Arc<Model>, question: Question) -> Explained {
    let mut answer = explainer(model).explain(question).await.expect("an answer");
    answer.results.pop().expect("one result").1.expect("no error")
}

/// Returns a question with all views, and a concept whose position is the first coordinate of the
/// mean state at every layer.
fn looking(model: &Arc<Model>, input: explaind::text::Input) -> Question {
    let direction: Vec<f64> = (0..model.width()).map(|k| f64::from(u8::from(k == 0))).collect();
    let separation = Separation { hits: 1, count: 1, auc: 1. };
    let layer = ConceptLayer {
        axis: Some(Axis { direction, middle: 0., half: 1. }),
        mean_difference: separation,
        logistic: separation,
        tcav: Tcav { score: 0.5, sensitivity: 0., p_value: 1. },
    };
    let concept = Concept {
        name: "first".to_owned(),
        model: model.id.clone(),
        revision: model.revision.clone(),
        target: None,
        texts: [1, 1],
        layers: vec![layer; model.layers()],
        layer: 1,
    };
    Question {
        attention: None,
        inside: View::ALL.to_vec(),
        concepts: vec![StoredConcept { concept: Arc::new(concept), digest: [0; 32] }],
        ..question(model, vec![input])
    }
}

/// Views of one logit of one sequence.
struct Alone {
    /// `[layers][heads]`
    importance: Vec<Vec<f64>>,
    /// The logit without each head, `[layers][heads]`.
    without: Vec<Vec<f64>>,
    /// Of the first coordinate: the state of each token, `[layers][tokens]`, and the sum of the
    /// gradients.
    states: Vec<Vec<f64>>,
    sensitivity: Vec<f64>,
}

fn run(model: &Model, row: Row) -> RowOutput {
    model.run(&[row]).expect("a pass").remove(0)
}

impl Alone {
    fn of(model: &Model, row: &Row, logit: usize) -> Self {
        let scalar = Scalar::one(Output::Logit, logit);
        let want = |want: Want| Row { want, ..row.clone() };
        let maps = Maps {
            layers: (0..model.layers()).collect(),
            kind: MapKind::Gradients,
            heads: MapHeads::Sums,
        };
        let gradients = Want::Gradients(Reduce::TimesInput, vec![scalar.clone()]);
        let maps = run(model, Row { maps, ..want(gradients) }).attention;
        let without = |layer, head| {
            let without = Some(AttentionHead { layer, head });
            run(model, Row { without, ..want(Want::Values(vec![scalar.clone()])) }).values[0]
        };
        let heads = |layer| (0..model.heads()).map(|head| without(layer, head)).collect();
        let layers = 1..model.layers() + 1;
        let states = run(model, want(Want::Layers(layers.clone(), None))).layers;
        let gradients = run(model, want(Want::Layers(layers, Some(scalar.clone())))).layers;
        let first = |numbers: &[f64]| numbers.iter().copied().step_by(model.width()).collect();
        let sum = |numbers: &[f64]| numbers.iter().step_by(model.width()).sum();
        Self {
            importance: maps.into_iter().map(|map| map.weights).collect(),
            without: (0..model.layers()).map(heads).collect(),
            states: states.iter().map(|layer| first(&layer.states)).collect(),
            sensitivity: gradients.iter().map(|layer| sum(&layer.gradient)).collect(),
        }
    }
}

/// Compares the heads and the place along the concept. `expected` has the importance and the change
/// without each head, and per layer the position and the sensitivity.
fn compare(
    explained: &Explained,
    [importance, changes]: [Vec<Vec<f64>>; 2],
    [positions, sensitivities]: [Vec<f64>; 2],
) {
    let near = |a: f64, b: f64, what: &str| {
        assert!((a - b).abs() < LIMIT * b.abs().max(1.), "{what}: {a} and {b}");
    };
    let inside = explained.inside.as_ref().expect("views");
    let scores = &inside.head_importance.as_ref().expect("head importance").scores;
    assert_eq!(scores.len(), importance.len());
    for (ours, theirs) in scores.concat().into_iter().zip(importance.concat()) {
        near(ours, theirs, "importance");
    }
    let ablated = &inside.ablation.as_ref().expect("an ablation").heads;
    assert_eq!(ablated.len(), changes.concat().len().min(10));
    for (head, change) in ablated {
        near(*change, changes[head.layer][head.head], "a change without a head");
    }
    let places = &explained.concepts[0].places;
    assert_eq!(places.len(), positions.len());
    for (place, (position, sensitivity)) in places.iter().zip(positions.iter().zip(sensitivities)) {
        near(place.position, *position, "a position");
        near(place.sensitivity, sensitivity, "a sensitivity");
    }
}

/// The reference back end adds up in another order in other passes.
fn assert_served(last: &Predicted, served: &Predicted) {
    let (Predicted::Labels(last), Predicted::Labels(served)) = (last, served) else {
        panic!("labels")
    };
    assert_eq!(last.len(), served.len());
    for (own, other) in last.iter().zip(served) {
        assert_eq!(own.index, other.index);
        assert!((own.probability - other.probability).abs() < 1e-12, "{own:?} {other:?}");
    }
}

fn lens(explained: &Explained) -> &[Predicted] {
    match explained.inside.as_ref().and_then(|inside| inside.lens.as_ref()) {
        Some(Lens::Predictions { predictions, .. }) => predictions,
        Some(Lens::Similarity(_)) | None => panic!("no predictions"),
    }
}
