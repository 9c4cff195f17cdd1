//! Plots of the heads.

use super::{HeadRow, Summary};
use crate::evaluation::interval::Interval;
use crate::report::matrix::matrix;
use crate::report::svg::{Plot, forest};
use crate::rows::AttentionHead;

/// The most heads in a forest plot.
const IN_FOREST: usize = 25;

/// Draws the importance of all heads.
pub fn importance(summary: &Summary) -> Vec<Plot> {
    let rows = summary.heads.iter().take(IN_FOREST);
    let rows: Vec<_> = rows.map(|row| (name(row.head), row.size)).collect();
    vec![
        grid(summary, "importance", "Mean importance of the heads, in magnitude", |row| row.size),
        grid(summary, "signed", "Mean importance of the heads, signed", |row| row.signed),
        plot("heads", "Mean importance in magnitude, with 95 % intervals", &|title| {
            forest(title, &rows)
        }),
    ]
}

/// Draws the effects of switching heads off.
pub fn ablation(summary: &Summary) -> Vec<Plot> {
    let heads = summary.ablation.iter().flat_map(|ablation| &ablation.heads);
    let rows: Vec<_> = heads.map(|one| (name(one.head), one.change)).collect();
    let title = "Change of the predicted logit without a head, with 95 % intervals";
    vec![plot("without", title, &|title| forest(title, &rows))]
}

pub fn name(head: AttentionHead) -> String {
    format!("layer {}, head {}", head.layer, head.head)
}

/// Draws one number per layer and head.
fn grid(summary: &Summary, file: &str, title: &str, of: fn(&HeadRow) -> Interval) -> Plot {
    let names = |what: &str, count: usize| -> Vec<String> {
        (0..count).map(|index| format!("{what} {index}")).collect()
    };
    let value = |layer: usize, head: usize| summary.row(layer, head).map(|row| of(row).mean);
    let values: Vec<Vec<Option<f64>>> = (0..summary.layers)
        .map(|layer| (0..summary.heads_per_layer).map(|head| value(layer, head)).collect())
        .collect();
    let most = values.iter().flatten().flatten().fold(f64::MIN_POSITIVE, |a, b| b.abs().max(a));
    let (rows, columns) = (names("layer", summary.layers), names("head", summary.heads_per_layer));
    plot(file, title, &|title| matrix(title, &rows, &columns, &values, most))
}

fn plot(file: &str, title: &str, draw: &dyn Fn(&str) -> String) -> Plot {
    Plot { file: format!("{file}.svg"), title: title.to_owned(), svg: draw(title) }
}
