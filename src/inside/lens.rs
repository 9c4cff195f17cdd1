//! The lens (nostalgebraist 2020): what the head answers from the states after each layer, as if
//! they were the last ones.

use crate::error::Result;
use crate::explanation::{Lens, Predicted};
use crate::passes::Passes;
use crate::rows::{LensOutput, Row, RowOutput, Want};
use crate::tasks::embedding::cosine;

/// Runs the rows of two texts that are embedded separately, and compares them after each layer.
pub async fn similarity(passes: &Passes, rows: [Row; 2]) -> Result<Lens> {
    let layers = layers(passes, rows.into()).await?;
    Ok(Lens::Similarity(layers.iter().map(|texts| cosine(&texts[0], &texts[1])).collect()))
}

/// Runs `rows`, and makes one prediction for each layer from what the head answers in all of them.
pub async fn lens(
    passes: &Passes,
    rows: Vec<Row>,
    predicted: impl Fn(Vec<RowOutput>) -> Result<Predicted>,
) -> Result<Lens> {
    let mut predictions = Vec::new();
    for layer in layers(passes, rows).await? {
        predictions.push(predicted(layer)?);
        // Each may take as long as the prediction of a text in many windows.
        tokio::task::yield_now().await;
    }
    let decided_at = decided_at(&predictions);
    Ok(Lens::Predictions { predictions, decided_at })
}

/// Returns what the head answers after each layer, `[layers][rows]`.
async fn layers(passes: &Passes, rows: Vec<Row>) -> Result<Vec<Vec<RowOutput>>> {
    let rows = rows.into_iter().map(|row| Row { want: Want::Lens, ..row }).collect();
    let mut layers: Vec<Vec<RowOutput>> = Vec::new();
    for output in passes.run(rows).await? {
        layers.resize_with(output.lens.len(), Vec::new);
        for (layer, LensOutput { logits, probabilities }) in layers.iter_mut().zip(output.lens) {
            layer.push(RowOutput { logits, probabilities, ..RowOutput::default() });
        }
    }
    Ok(layers)
}

/// Returns the first layer from which on all predictions agree with the last one.
fn decided_at(predictions: &[Predicted]) -> usize {
    let Some((own, before)) = predictions.split_last() else { return 0 };
    let own = best(own);
    before.iter().rposition(|predicted| best(predicted) != own).map_or(0, |layer| layer + 1)
}

/// Returns what is predicted, without scores: labels per token or mask, or the bounds of an answer.
fn best(predicted: &Predicted) -> Vec<usize> {
    let first = |list: &Vec<crate::explanation::Prediction>| list.first().map(|best| best.index);
    match predicted {
        Predicted::Labels(list) => first(list).into_iter().collect(),
        Predicted::Tokens { predictions, .. } => predictions.iter().filter_map(first).collect(),
        Predicted::Answer { answer, .. } => vec![answer.start_token, answer.end_token],
        Predicted::Masks(masks) => {
            masks.iter().filter_map(|mask| first(&mask.predictions)).collect()
        }
        Predicted::Similarity(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explanation::Prediction;

    fn label(index: usize) -> Predicted {
        let (label, decoded) = (String::new(), None);
        Predicted::Labels(vec![Prediction { index, label, decoded, logit: 0., probability: 0. }])
    }

    #[test]
    fn the_prediction_is_decided_where_it_stays() {
        let at = |labels: &[usize]| {
            decided_at(&labels.iter().map(|&index| label(index)).collect::<Vec<_>>())
        };
        assert_eq!(at(&[1, 1, 1]), 0);
        assert_eq!(at(&[1, 0, 1, 1]), 2);
        assert_eq!(at(&[0, 0, 1]), 2);
        assert_eq!(at(&[1]), 0);
    }
}
