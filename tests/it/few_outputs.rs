//! Rows that need single logits of a vocabulary: the same numbers, to the last bit, as from the whole
//! vocabulary, which a scalar of probabilities needs.

use std::sync::Arc;

use explaind::checkpoint::Source;
use explaind::model::Placement;
use explaind::rows::{Baseline, Layer, Output, Path, Reduce, Row, RowOutput, Scalar, Tokens, Want};

use crate::support::{golden_folder, load};

/// Two masks, and scalars of both.
fn scalars(outputs: usize) -> Vec<Vec<Scalar>> {
    let logits =
        |terms: &[(usize, f64)]| Scalar::Sum { output: Output::Logit, terms: terms.to_vec() };
    vec![
        vec![logits(&[(17, 1.)])],
        vec![logits(&[(outputs + 90, 1.)]), logits(&[(3, 1.)])],
        vec![logits(&[(5, 1.), (44, -1.)]), logits(&[(outputs - 1, 0.5), (outputs, 2.), (5, 1.)])],
    ]
}

fn rows(outputs: usize, more: Option<&Scalar>) -> Vec<Row> {
    let row = |scalars: &Vec<Scalar>, want: fn(Vec<Scalar>) -> Want, alpha: f64| {
        let input_ids = (5..16).collect::<Vec<u32>>();
        let position_ids = (2..13).collect();
        let tokens = Tokens { token_type_ids: vec![0; 11], position_ids, input_ids };
        let path = Path { baseline: Baseline::Zero, alpha, noise: None, held: 0 };
        let scalars = scalars.iter().chain(more).cloned().collect();
        Row {
            want: want(scalars),
            layer: Layer::WordEmbeddings,
            path: Some(path),
            ..Row::forward(Arc::new(tokens), [3, 7].into())
        }
    };
    let of = |scalars: &Vec<Scalar>| {
        [
            row(scalars, Want::Values, 0.25),
            row(scalars, |scalars| Want::Gradients(Reduce::TimesDifference, scalars), 0.75),
            row(scalars, |scalars| Want::Gradients(Reduce::Keep, scalars), 1.),
        ]
    };
    scalars(outputs).iter().flat_map(of).collect()
}

/// Returns the bits of the values and scores of a row's own scalars.
fn bits(output: &RowOutput, scalars: usize) -> Vec<u64> {
    let scores = output.token_scores.iter().take(scalars).flatten();
    output.values[..scalars].iter().chain(scores).map(|number| number.to_bits()).collect()
}

#[test]
fn single_logits_are_those_of_the_whole_vocabulary() {
    for folder in [
        "bert-mlm",
        "albert-mlm",
        "deberta-v2-mlm",
        "distilbert-mlm",
        "electra-mlm",
        "modernbert-mlm",
        "mpnet-mlm",
        "roberta-mlm",
        "xlm-roberta-mlm",
        "camembert-mlm",
    ] {
        let model = load(Source::Directory(golden_folder(folder)), &Placement::default());
        let outputs = model.outputs();
        let probability = Scalar::one(Output::Probability, 1);
        let few = rows(outputs, None);
        let own: Vec<usize> = few.iter().map(|row| row.scalars().len()).collect();
        let all_bits = |outputs: &[RowOutput]| -> Vec<Vec<u64>> {
            outputs.iter().zip(&own).map(|(output, own)| bits(output, *own)).collect()
        };
        let whole = all_bits(&model.run(&rows(outputs, Some(&probability))).unwrap());
        assert_eq!(all_bits(&model.run(&few).unwrap()), whole, "{folder}");
        let alone: Vec<RowOutput> =
            few.iter().map(|row| model.run(std::slice::from_ref(row)).unwrap().remove(0)).collect();
        assert_eq!(all_bits(&alone), whole, "{folder}, alone");
    }
}
