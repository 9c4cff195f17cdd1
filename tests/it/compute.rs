//! The back ends agree with each other, and outputs do not depend on the batch, the number of
//! threads or the order of rows.

use std::sync::Arc;

use explaind::backend::cpu::Isa;
use explaind::checkpoint::Source;
use explaind::model::{Model, Placement};
use explaind::random::Generator;
use explaind::rows::{
    AttentionHead, Baseline, Layer, MapHeads, MapKind, Maps, Noise, Norm, Output, Path, Reduce,
    Row, RowOutput, Scalar, TokenValue, Tokens, Want,
};
use rayon::ThreadPoolBuilder;

use crate::support::{devices, golden_folder, load, relative_error};

/// Returns rows of every kind with these lengths.
fn mixed_rows(lengths: &[usize], vocabulary: u32, labels: usize, layers: usize) -> Vec<Row> {
    let reduces = [
        Reduce::Norm(Norm::L1),
        Reduce::Norm(Norm::L2),
        Reduce::Norm(Norm::Mean),
        Reduce::TimesInput,
    ];
    lengths
        .iter()
        .enumerate()
        .map(|(i, &tokens)| {
            let id = |j: usize| {
                (((i * 131 + j * 37) as u32).wrapping_mul(2_654_435_761) >> 7) % vocabulary
            };
            let ids: Vec<u32> = (0..tokens).map(id).collect();
            let types = (0..tokens).map(|j| u32::from(j > tokens / 2)).collect();
            let position_ids = (0..tokens as u32).collect();
            let tokens_of_row = Tokens { input_ids: ids, token_type_ids: types, position_ids };
            let row = Row::forward(Arc::new(tokens_of_row), [].into());
            let scalar = |k: usize| {
                let output = if k.is_multiple_of(2) { Output::Logit } else { Output::Probability };
                Scalar::one(output, k % labels)
            };
            let scalars = (0..1 + i % 3).map(scalar).collect();
            let layer = if i.is_multiple_of(2) { Layer::WordEmbeddings } else { Layer::Embeddings };
            // Attention maps of every kind; gradient maps only for rows with gradients.
            let kinds = [MapKind::Weights, MapKind::Norms, MapKind::Gradients];
            let heads = if i % 2 == 0 { MapHeads::Each } else { MapHeads::Together };
            let maps_of = |kind| Maps { layers: (0..layers).rev().collect(), kind, heads };
            let maps = match (i % 4, i % 7) {
                (0, _) => maps_of(kinds[i / 4 % 2]),
                (_, 0..=2) => maps_of(kinds[i % 3]),
                _ => Maps::default(),
            };
            let noise = (i % 3 == 1)
                .then(|| Noise { generator: Generator::stream(i as u64, 1), level: 0.1 });
            match i % 4 {
                0 => Row { maps, ..row },
                1 if i % 8 == 5 => Row {
                    want: Want::Layers(1..layers + 1, Some(scalar(i))),
                    maps: Maps { heads: MapHeads::Sums, ..maps_of(MapKind::Gradients) },
                    ..row
                },
                1 if i % 8 == 1 && i > 8 => Row {
                    want: Want::Gradients(reduces[i % 4], vec![Scalar::Highest(Output::Logit)]),
                    layer: Layer::Hidden(layers),
                    ..row
                },
                1 => Row { want: Want::Gradients(reduces[i % 4], scalars), layer, ..row },
                _ => Row {
                    want: Want::Gradients(Reduce::TimesDifference, scalars),
                    path: Some(Path {
                        baseline: if i % 3 == 0 {
                            Baseline::Zero
                        } else {
                            Baseline::Ids((0..tokens).map(|j| id(j + 5)).collect())
                        },
                        alpha: i as f64 / lengths.len() as f64,
                        noise,
                        held: i % 3,
                    }),
                    layer,
                    maps,
                    ..row
                },
            }
        })
        .collect()
}

const LENGTHS: [usize; 23] =
    [2, 3, 64, 5, 8, 13, 16, 17, 9, 31, 2, 33, 40, 7, 12, 5, 63, 11, 24, 48, 6, 10, 15];

fn tiny(placement: &Placement) -> Arc<Model> {
    load(Source::Directory(golden_folder("bert-tiny")), placement)
}

fn tiny_rows() -> Vec<Row> {
    let lengths: Vec<usize> = LENGTHS.iter().map(|&tokens| tokens.min(40)).collect();
    mixed_rows(&lengths, 190, 3, 2)
}

fn builtin_rows() -> Vec<Row> {
    let lengths: Vec<usize> = LENGTHS.iter().map(|tokens| tokens * 2).collect();
    mixed_rows(&lengths, 11_005, 2, 4)
}

/// Returns the bits of every number of an output.
fn numbers(output: &RowOutput) -> Vec<u64> {
    let maps = output.attention.iter().flat_map(|map| &map.weights);
    let scores = output.token_scores.iter().flatten();
    let outputs = output.logits.iter().chain(&output.probabilities).chain(&output.values);
    let layers = output.layers.iter().flat_map(|layer| layer.states.iter().chain(&layer.gradient));
    let all = outputs.chain(maps).chain(scores).chain(layers);
    all.map(|number| number.to_bits()).collect()
}

fn assert_same(ours: &[RowOutput], theirs: &[RowOutput], case: &str) {
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(numbers(a), numbers(b), "{case}: row {i} of {} tokens", LENGTHS[i]);
    }
}

fn builtin(isa: Isa) -> Arc<Model> {
    load("builtin:sentiment-en".parse().unwrap(), &Placement::Cpu(isa))
}

#[test]
fn outputs_do_not_depend_on_the_batch() {
    for isa in Isa::available() {
        let (model, rows) = (builtin(isa), builtin_rows());
        let together = model.run(&rows).unwrap();
        let alone: Vec<RowOutput> = rows
            .iter()
            .map(|row| model.run(std::slice::from_ref(row)).unwrap().remove(0))
            .collect();
        assert_same(&together, &alone, "alone");
        let mut rotated = rows.clone();
        rotated.rotate_left(9);
        let mut outputs = model.run(&rotated).unwrap();
        outputs.rotate_right(9);
        assert_same(&together, &outputs, "in another order");
    }
}

/// One text in rows that differ in masked tokens, and rows of other kinds between them: the first
/// layer maps the tokens that they have in common once.
#[test]
fn rows_of_one_text_are_the_same_together_and_alone() {
    const MASK: u32 = 4;
    let row = |masked: &[usize]| {
        let id = |i: usize| if masked.contains(&i) { MASK } else { 7 + 3 * i as u32 };
        let tokens = Tokens {
            input_ids: (0..12).map(id).collect(),
            token_type_ids: (0..12).map(|i| u32::from(i > 6)).collect(),
            position_ids: (0..12).collect(),
        };
        Row {
            want: Want::Values(vec![Scalar::one(Output::Logit, 0)]),
            ..Row::forward(Arc::new(tokens), [].into())
        }
    };
    let plain = row(&[]);
    let path = Path { baseline: Baseline::Zero, alpha: 0.5, noise: None, held: 0 };
    let scalars = vec![Scalar::one(Output::Logit, 1)];
    let without_value = Some(TokenValue { layer: 0, token: 5 });
    let mut rows = vec![
        Row {
            path: Some(path),
            want: Want::Gradients(Reduce::TimesDifference, scalars.clone()),
            ..plain.clone()
        },
        Row { want: Want::Gradients(Reduce::TimesInput, scalars), ..plain.clone() },
        Row { without: Some(AttentionHead { layer: 0, head: 1 }), ..plain.clone() },
        Row { without_value, ..plain.clone() },
        Row { maps: Maps { layers: vec![0], ..Maps::default() }, ..plain.clone() },
        Row { want: Want::Layers(1..3, None), ..plain },
    ];
    rows.extend((0..12).map(|i| row(&[i])));
    rows.extend((1..12).map(|i| row(&[i - 1, i, 11 - i])));
    for folder in [
        "bert-tiny",
        "deberta-conv-sequence",
        "deberta-v3-sequence",
        "modernbert-sequence",
        "albert-sequence",
        "mpnet-sequence",
    ] {
        for isa in Isa::available() {
            let model = load(Source::Directory(golden_folder(folder)), &Placement::Cpu(isa));
            let together = model.run(&rows).unwrap();
            for (row, together) in rows.iter().zip(&together) {
                let alone = model.run(std::slice::from_ref(row)).unwrap().remove(0);
                assert_eq!(numbers(&alone), numbers(together), "{folder}, {row:?}");
            }
        }
    }
}

#[test]
fn outputs_do_not_depend_on_the_number_of_threads() {
    let (model, rows) = (builtin(Isa::best()), builtin_rows());
    let one = model.run(&rows).unwrap();
    for threads in [2, 3, 5] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let shared = pool.install(|| model.run_with(&rows, threads)).unwrap();
        assert_same(&one, &shared, &format!("{threads} threads"));
        for (row, one) in rows.iter().zip(&one) {
            let row = std::slice::from_ref(row);
            let alone = pool.install(|| model.run_with(row, threads)).unwrap();
            assert_eq!(numbers(&alone[0]), numbers(one), "alone on {threads} threads");
        }
    }
}

/// Returns the largest difference between two back ends, relative to the largest value of its kind
/// in the row. Logits may all be near 0, so theirs is absolute if they are less than 1.
fn gap(ours: &RowOutput, theirs: &RowOutput) -> f64 {
    let size = theirs.logits.iter().fold(0., |max: f64, logit| max.max(logit.abs()));
    let mut worst = relative_error(&ours.logits, &theirs.logits) * size.min(1.);
    worst = worst.max(relative_error(&ours.probabilities, &theirs.probabilities));
    for (a, b) in ours.attention.iter().zip(&theirs.attention) {
        worst = worst.max(relative_error(&a.weights, &b.weights));
    }
    assert_eq!(ours.token_scores.len(), theirs.token_scores.len());
    for (a, b) in ours.token_scores.iter().zip(&theirs.token_scores) {
        worst = worst.max(relative_error(a, b));
    }
    worst
}

#[test]
fn back_ends_agree() {
    let exact = Placement::reference().unwrap();
    let rows = tiny_rows();
    let reference = tiny(&exact).run(&rows).unwrap();
    let mut placements = devices();
    placements.extend(Isa::available().into_iter().map(Placement::Cpu));
    for placement in placements {
        let outputs = tiny(&placement).run(&rows).unwrap();
        let worst = outputs.iter().zip(&reference).map(|(a, b)| gap(a, b)).fold(0., f64::max);
        println!("{placement}: {worst:e}");
        assert!(worst < 1e-5, "{placement} is {worst:e} off");
    }
}

#[test]
fn the_built_in_model_agrees_with_the_reference() {
    let rows = builtin_rows();
    let exact = Placement::reference().unwrap();
    let reference = load("builtin:sentiment-en".parse().unwrap(), &exact).run(&rows).unwrap();
    for isa in Isa::available() {
        let outputs = builtin(isa).run(&rows).unwrap();
        let worst = outputs.iter().zip(&reference).map(|(a, b)| gap(a, b)).fold(0., f64::max);
        println!("{}: {worst:e}", isa.name());
        assert!(worst < 1e-5, "{} is {worst:e} off", isa.name());
    }
}
