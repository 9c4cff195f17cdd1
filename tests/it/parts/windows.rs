//! Windows of a long text.

use std::sync::Arc;

use explaind::explanation::{Class, Combine, Predicted, Question, Target, Window};
use explaind::rows::{Row, RowOutput, Want};
use explaind::text::tokenizer::Truncate;
use explaind::text::windows::{TextWindow, split};

use super::{Alone, LIMIT, assert_served, compare, explain, lens, looking, reference, run};
use crate::support::{input, method};

const STRIDE: usize = 5;
const MOST: usize = 16;

fn weighted(windows: &[(f64, &Vec<Vec<f64>>)]) -> Vec<Vec<f64>> {
    let (rows, columns) = (windows[0].1.len(), windows[0].1[0].len());
    let sum = |row: usize, column: usize| {
        windows.iter().map(|(weight, values)| weight * values[row][column]).sum()
    };
    (0..rows).map(|row| (0..columns).map(|column| sum(row, column)).collect()).collect()
}

/// The mean over the whole text's tokens of the mean over the windows that contain each.
fn positions(tokens: usize, windows: &[TextWindow], alone: &[Alone]) -> Vec<f64> {
    let of_layer = |layer: usize| {
        let of_token = |token: usize| {
            let states: Vec<f64> = windows
                .iter()
                .zip(alone)
                .filter_map(|(window, own)| {
                    let position = window.positions.iter().position(|&other| other == token)?;
                    Some(own.states[layer][position])
                })
                .collect();
            states.iter().sum::<f64>() / states.len() as f64
        };
        (0..tokens).map(of_token).sum::<f64>() / tokens as f64
    };
    (0..alone[0].states.len()).map(of_layer).collect()
}

#[tokio::test]
async fn views_are_sums_over_windows() {
    let model = reference("bert-tiny");
    let text = "The actor made the best film. It was so very slow and sad. ".repeat(6);
    let input = input(&text, None);
    let whole = model.encode(&input, Truncate::Windows { most: MOST }).unwrap();
    let windows = split(&whole, &model.text, STRIDE, MOST).unwrap();
    assert!(windows.len() > 2);
    let row = |window: &TextWindow| Row::forward(Arc::clone(&window.encoding.ids), [].into());
    let target = 1;
    let outputs: Vec<RowOutput> = windows.iter().map(|window| run(&model, row(window))).collect();
    let value = |w: usize| outputs[w].logits[target];
    let best = (0..windows.len()).fold(0, |best, w| if value(w) > value(best) { w } else { best });
    let alone: Vec<Alone> =
        windows.iter().map(|window| Alone::of(&model, &row(window), target)).collect();
    let mean = 1. / windows.len() as f64;
    for combine in [Combine::Mean, Combine::Max] {
        let weight = |w: usize| match combine {
            Combine::Mean => mean,
            Combine::Max => f64::from(u8::from(w == best)),
        };
        let asked = Question {
            target: Target::Class { token: None, class: Class::Index(target) },
            window: Some(Window { stride: STRIDE, combine: Some(combine) }),
            methods: vec![method("integrated_gradients", &serde_json::json!({}))],
            ..looking(&model, input.clone())
        };
        let explained = explain(&model, asked).await;
        let all = |of: fn(&Alone) -> &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            let windows: Vec<_> =
                alone.iter().enumerate().map(|(w, own)| (weight(w), of(own))).collect();
            weighted(&windows)
        };
        let served: f64 = (0..windows.len()).map(|w| weight(w) * value(w)).sum();
        let without = all(|own| &own.without);
        let changes =
            without.iter().map(|layer| layer.iter().map(|value| value - served).collect());
        let sensitivity: Vec<f64> = (0..model.layers())
            .map(|layer| (0..windows.len()).map(|w| weight(w) * alone[w].sensitivity[layer]).sum())
            .collect();
        compare(
            &explained,
            [all(|own| &own.importance), changes.collect()],
            [positions(whole.tokens.len(), &windows, &alone), sensitivity],
        );
        let inside = explained.inside.as_ref().unwrap();
        let conductance = inside.conductance.as_ref().unwrap();
        let ig = &explained.explanations[0];
        let change = ig.output_value - ig.completeness.unwrap().baseline_value;
        assert!(conductance.converged);
        for (tokens, delta) in conductance.tokens.iter().zip(&conductance.deltas) {
            assert_eq!(tokens.len(), whole.tokens.len());
            let gap = tokens.iter().sum::<f64>() - change - delta;
            assert!(gap.abs() < LIMIT, "{combine:?}: {gap}");
        }
        let predictions = lens(&explained);
        assert_eq!(predictions.len(), model.layers() + 1);
        assert_served(predictions.last().unwrap(), &explained.predicted);
        // The first layer is combined as the last one is.
        let first: Vec<RowOutput> = windows
            .iter()
            .map(|window| {
                let lens = run(&model, Row { want: Want::Lens, ..row(window) }).lens.remove(0);
                RowOutput { logits: lens.logits, ..RowOutput::default() }
            })
            .collect();
        let logits = first.iter().map(|output| output.logits[target]);
        let expected = match combine {
            Combine::Mean => logits.sum::<f64>() * mean,
            Combine::Max => logits.fold(f64::NEG_INFINITY, f64::max),
        };
        let Predicted::Labels(list) = &predictions[0] else { panic!("labels") };
        let own = list.iter().find(|one| one.index == target).unwrap();
        assert!((own.logit - expected).abs() < LIMIT, "{combine:?}: {} {expected}", own.logit);
    }
}
