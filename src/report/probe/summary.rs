//! Statistics of the effects, with intervals.

use super::Settings;
use super::tally::{Affected, Effect, Property, Tally, Worst};
use crate::evaluation::interval::Interval;
use crate::report::{Accumulate, Run, Scope};

/// The fewest texts with a change for its statistics.
pub const MIN_TEXTS: usize = 3;

/// The contents of the report.
#[derive(Debug, Clone)]
pub struct Summary {
    pub model: String,
    pub revision: String,
    pub data: String,
    pub seed: u64,
    pub labels: Vec<String>,
    /// Number of texts that each label is predicted for.
    pub predicted: Vec<usize>,
    pub texts: usize,
    /// Distinct texts in the file, and the number of repetitions.
    pub of: usize,
    pub repeated: usize,
    pub truncated: usize,
    pub left_out: usize,
    pub failed: usize,
    /// The error of the first text that failed.
    pub first_failure: Option<String>,
    /// Texts that were not begun in time.
    pub left: usize,
    /// All properties that were tried, the highest fail rate first.
    pub properties: Vec<PropertyRow>,
    /// The changes of at least `MIN_TEXTS` texts, the largest certain effect first.
    pub changes: Vec<ChangeRow>,
}

/// The statistics of one property.
#[derive(Debug, Clone)]
pub struct PropertyRow {
    pub property: String,
    /// Texts that it could be tried on.
    pub affected: usize,
    pub variants: usize,
    /// Texts of which a variant has another label.
    pub failed: usize,
    /// Share of the affected texts that failed, with Wilson's interval.
    pub fail_rate: Option<Interval>,
    /// Mean absolute shift of the probability of the text's label: the mean over texts of the mean
    /// over variants, with a bootstrap interval over texts.
    pub shift: Option<Interval>,
    pub worst: Vec<Worst>,
}

/// The statistics of one change, in its direction.
#[derive(Debug, Clone)]
pub struct ChangeRow {
    pub property: String,
    pub change: String,
    pub texts: usize,
    pub flips: usize,
    /// Mean signed shift of the probability of each label, with a bootstrap interval, `[labels]`.
    pub shifts: Vec<Interval>,
}

impl ChangeRow {
    /// Returns the largest magnitude within the intervals of all labels that is certain.
    pub fn certain(&self) -> f64 {
        self.shifts.iter().map(|shift| shift.least_magnitude()).fold(0., f64::max)
    }
}

impl Summary {
    pub(super) fn new(scope: &Scope<'_>, settings: &Settings, tally: &Tally, run: &Run) -> Self {
        let (model, texts, seed) = (scope.model, scope.texts, settings.probe.seed);
        Self {
            model: model.id.clone(),
            revision: model.revision.clone(),
            data: texts.name.clone(),
            seed,
            labels: (0..model.outputs()).map(|label| model.label(label)).collect(),
            predicted: tally.predicted.clone(),
            texts: tally.texts(),
            of: texts.of,
            repeated: texts.repeated,
            truncated: tally.truncated,
            left_out: tally.left_out,
            failed: run.failed.len(),
            first_failure: run.failed.first().map(|(_, error)| error.detail.clone()),
            left: run.left,
            properties: properties(settings, tally),
            changes: changes(tally, seed),
        }
    }
}

fn properties(settings: &Settings, tally: &Tally) -> Vec<PropertyRow> {
    let none = Property::default();
    let names = settings.probe.changes.iter().map(|change| change.property());
    let mut rows: Vec<PropertyRow> = names
        .map(|name| row(name, tally.properties.get(name).unwrap_or(&none), settings.probe.seed))
        .collect();
    rows.sort_by(|a, b| {
        let rate = |row: &PropertyRow| row.fail_rate.map_or(-1., |rate| rate.mean);
        let shift = |row: &PropertyRow| row.shift.map_or(-1., |shift| shift.mean);
        rate(b).total_cmp(&rate(a)).then(shift(b).total_cmp(&shift(a)))
    });
    rows
}

fn row(name: &str, property: &Property, seed: u64) -> PropertyRow {
    // In the order of the data, so that a run that was continued has the same intervals.
    let mut texts: Vec<&Affected> = property.texts.iter().collect();
    texts.sort_by_key(|text| text.number);
    let shifts: Vec<f64> = texts.iter().map(|text| text.shift).collect();
    let failed = texts.iter().filter(|text| text.flips > 0).count();
    PropertyRow {
        property: name.to_owned(),
        affected: texts.len(),
        variants: texts.iter().map(|text| text.variants).sum(),
        failed,
        fail_rate: Interval::wilson(failed, texts.len()),
        shift: Interval::of(&shifts, seed),
        worst: property.worst.clone(),
    }
}

fn changes(tally: &Tally, seed: u64) -> Vec<ChangeRow> {
    let frequent = tally.changes.iter().filter(|(_, effects)| effects.len() >= MIN_TEXTS);
    let row = |((property, change), effects): (&(String, String), &Vec<Effect>)| {
        let mut effects: Vec<&Effect> = effects.iter().collect();
        effects.sort_by_key(|effect| effect.number);
        let of_label = |label: usize| {
            let shifts: Vec<f64> = effects.iter().map(|effect| effect.shifts[label]).collect();
            Interval::of(&shifts, seed)
        };
        ChangeRow {
            property: property.clone(),
            change: change.clone(),
            texts: effects.len(),
            flips: effects.iter().filter(|effect| effect.flipped).count(),
            shifts: (0..tally.predicted.len()).filter_map(of_label).collect(),
        }
    };
    let mut rows: Vec<ChangeRow> = frequent.map(row).collect();
    rows.sort_by(|a, b| b.certain().total_cmp(&a.certain()).then(b.texts.cmp(&a.texts)));
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn swap(property: &str, change: &str, label: usize, shift: f64) -> Value {
        json!({"property": property, "change": change, "text": "after", "label": label,
               "shift": shift, "shifts": [shift, -shift]})
    }

    fn record(label: usize, swaps: &[Value]) -> Value {
        json!({"label": label, "truncated": false, "left_out": 1, "text": "before", "swaps": swaps})
    }

    #[test]
    fn rates_are_worked_out_by_hand() {
        let mut tally = Tally::new(2);
        let records = [
            record(
                0,
                &[swap("identity", "he → she", 1, -0.6), swap("identity", "he → it", 0, -0.2)],
            ),
            record(0, &[swap("identity", "he → she", 0, 0.1), swap("case", "upper case", 0, 0.)]),
            record(1, &[]),
            record(0, &[swap("identity", "he → she", 0, -0.1)]),
        ];
        for (number, record) in records.iter().enumerate() {
            tally.add(number, record).unwrap();
        }
        assert_eq!((tally.texts(), tally.left_out), (4, 4));
        let identity = row("identity", &tally.properties["identity"], 0);
        assert_eq!((identity.affected, identity.variants, identity.failed), (3, 4, 1));
        assert_eq!(identity.fail_rate, Interval::wilson(1, 3));
        // The mean of 0.4, 0.1 and 0.1: a text with more variants does not count for more.
        assert!((identity.shift.unwrap().mean - 0.2).abs() < 1e-12);
        assert_eq!((identity.worst[0].number, identity.worst[0].to), (0, 1));
        let changes = changes(&tally, 0);
        assert_eq!(changes.len(), 1, "rarer changes have no statistics");
        let she = &changes[0];
        assert_eq!((she.texts, she.flips), (3, 1));
        assert!(
            (she.shifts[0].mean + 0.2).abs() < 1e-12 && (she.shifts[1].mean - 0.2).abs() < 1e-12
        );
    }

    #[test]
    fn records_of_another_form_are_refused() {
        let mut tally = Tally::new(2);
        for record in [
            json!([]),
            record(2, &[]),
            record(0, &[swap("case", "upper case", 2, 0.)]),
            record(0, &[json!({"property": "case"})]),
        ] {
            assert_eq!(tally.add(0, &record), None, "{record}");
            assert_eq!((tally.texts(), tally.properties.len()), (0, 0));
        }
    }
}
