//! Running statistics of predictions without single heads.

use serde_json::Value;

use super::reading;
use crate::corpus::states;
use crate::report::moments::Moments;
use crate::report::{Accumulate, Scope};
use crate::rows::AttentionHead;

/// The effects of switching heads off, over the texts so far.
#[derive(Debug)]
pub struct Ablations {
    pub heads: Vec<AttentionHead>,
    /// One per head.
    pub effects: Vec<Effect>,
    pub texts: usize,
    /// Number of texts with a label of the model, and of those where it is predicted.
    pub labelled: usize,
    pub right: usize,
    /// The label of each text of the corpus, if it is one of the model's.
    expected: Vec<Option<usize>>,
    /// Number of labels, pieces or tokens that a prediction is chosen among.
    pub choices: usize,
}

/// The effect of switching one head off.
#[derive(Debug, Clone, Default)]
pub struct Effect {
    /// Change of the logit of the predicted label.
    pub change: Moments,
    pub flips: usize,
    /// Change of whether the prediction is right, over the texts with a label: 1, 0 or -1.
    pub gain: Moments,
}

impl Ablations {
    pub fn new(scope: &Scope<'_>, heads: Vec<AttentionHead>) -> Self {
        let model = scope.model;
        let label = |label: &String| match reading::labels_texts(model) {
            true => states::label(model, label).ok(),
            false => None,
        };
        let expected = scope.texts.labels.iter().map(label).collect();
        Self::of(heads, expected, reading::choices_of(model))
    }

    fn of(heads: Vec<AttentionHead>, expected: Vec<Option<usize>>, choices: usize) -> Self {
        let effects = vec![Effect::default(); heads.len()];
        Self { heads, effects, texts: 0, labelled: 0, right: 0, expected, choices }
    }
}

impl Accumulate for Ablations {
    fn texts(&self) -> usize {
        self.texts
    }

    fn add(&mut self, number: usize, record: &Value) -> Option<()> {
        let choice = |value: &Value| {
            usize::try_from(value.as_u64()?).ok().filter(|choice| *choice < self.choices)
        };
        let choices = |value: &Value| -> Option<Vec<usize>> {
            value.as_array()?.iter().map(choice).collect()
        };
        let predicted = choices(&record["choices"])?;
        let of_head = |one: &Value| {
            let own = choices(&one[0]).filter(|own| own.len() == predicted.len())?;
            Some((own, one[1].as_f64()?))
        };
        let without: Vec<(Vec<usize>, f64)> =
            record["without"].as_array()?.iter().map(of_head).collect::<Option<_>>()?;
        let expected = *self.expected.get(number)?;
        if without.len() != self.heads.len() || predicted.is_empty() {
            return None;
        }
        self.texts += 1;
        self.labelled += usize::from(expected.is_some());
        self.right += usize::from(expected == Some(predicted[0]));
        for (effect, (choices, change)) in self.effects.iter_mut().zip(without) {
            effect.change.add(change, self.texts);
            effect.flips += usize::from(choices != predicted);
            if let Some(expected) = expected {
                let right = |choices: &[usize]| f64::from(u8::from(choices[0] == expected));
                effect.gain.add(right(&choices) - right(&predicted), self.labelled);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of four texts, the second has no label, and the third is predicted wrongly.
    #[test]
    fn effects_are_worked_out_by_hand() {
        let head = AttentionHead { layer: 0, head: 1 };
        let expected = vec![Some(1), None, Some(0), Some(1)];
        let mut ablations = Ablations::of(vec![head], expected, 2);
        for (number, label, without, change) in
            [(0, 1, 0, -2.), (1, 1, 0, -1.), (2, 1, 0, -4.), (3, 1, 1, 1.)]
        {
            let record = json!({"choices": [label], "without": [[[without], change]]});
            ablations.add(number, &record).unwrap();
        }
        let effect = &ablations.effects[0];
        assert_eq!((ablations.texts, ablations.labelled, ablations.right), (4, 3, 2));
        assert_eq!(effect.flips, 3);
        assert!((effect.change.mean + 1.5).abs() < 1e-12, "{effect:?}");
        // One text becomes wrong, one becomes right, one stays right.
        assert!(effect.gain.mean.abs() < 1e-12, "{effect:?}");
        for record in [
            json!({"choices": [2], "without": [[[0], 1.]]}),
            json!({"choices": [1], "without": []}),
            json!({"choices": [1], "without": [[[0], "1"]]}),
            json!({"choices": [1], "without": [[[0, 1], 1.]]}),
            json!({"choices": [], "without": [[[], 1.]]}),
            json!({"label": 1, "without": [[0, 1.]]}),
        ] {
            assert_eq!(ablations.add(0, &record), None, "{record}");
        }
    }
}
