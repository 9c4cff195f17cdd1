//! The effects of changes over the texts so far.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::report::Accumulate;

/// The effects by property and by change.
#[derive(Debug)]
pub struct Tally {
    classes: usize,
    /// Number of texts that each class is predicted for.
    pub predicted: Vec<usize>,
    pub truncated: usize,
    /// Swaps beyond the limit of a text, or too long for the model.
    pub left_out: usize,
    pub properties: BTreeMap<String, Property>,
    /// By property and the name of the change, such as `he → she`.
    pub changes: BTreeMap<(String, String), Vec<Effect>>,
}

/// The effects of the changes of one property.
#[derive(Debug, Default)]
pub struct Property {
    pub texts: Vec<Affected>,
    /// The swaps with the largest effects, flips first.
    pub worst: Vec<Worst>,
}

/// The effects on one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Affected {
    /// Number of the text in the data.
    pub number: usize,
    pub variants: usize,
    /// How many of the variants have another label.
    pub flips: usize,
    /// Mean absolute shift of the probability of the text's label.
    pub shift: f64,
}

/// The effect of one change of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub number: usize,
    pub flipped: bool,
    /// Of the probability of each label, `[labels]`.
    pub shifts: Vec<f64>,
}

/// A change with a large effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    pub number: usize,
    pub change: String,
    pub before: String,
    pub after: String,
    pub from: usize,
    pub to: usize,
    /// Of the probability of the label `from`.
    pub shift: f64,
}

impl Worst {
    /// Orders by flip, then by absolute shift.
    fn size(&self) -> (bool, f64) {
        (self.from != self.to, self.shift.abs())
    }
}

/// The most examples per property.
const MOST_EXAMPLES: usize = 5;

/// A swap as recorded.
struct Recorded {
    property: String,
    change: String,
    text: String,
    label: usize,
    shift: f64,
    shifts: Vec<f64>,
}

impl Tally {
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            predicted: vec![0; classes],
            truncated: 0,
            left_out: 0,
            properties: BTreeMap::new(),
            changes: BTreeMap::new(),
        }
    }
}

impl Accumulate for Tally {
    fn texts(&self) -> usize {
        self.predicted.iter().sum()
    }

    fn add(&mut self, number: usize, record: &Value) -> Option<()> {
        let own = index(&record["label"]).filter(|label| *label < self.classes)?;
        let (truncated, left_out) = (record["truncated"].as_bool()?, index(&record["left_out"])?);
        let text = record["text"].as_str()?;
        let swaps = record["swaps"].as_array()?.iter();
        let swaps: Vec<Recorded> =
            swaps.map(|swap| recorded(swap, self.classes)).collect::<Option<_>>()?;
        self.predicted[own] += 1;
        self.truncated += usize::from(truncated);
        self.left_out += left_out;
        let mut of_text: BTreeMap<&str, Vec<&Recorded>> = BTreeMap::new();
        for swap in &swaps {
            of_text.entry(&swap.property).or_default().push(swap);
        }
        for (property, swaps) in of_text {
            let property = self.properties.entry(property.to_owned()).or_default();
            property.add(number, own, text, &swaps);
        }
        for swap in swaps {
            let effect = Effect { number, flipped: swap.label != own, shifts: swap.shifts };
            self.changes.entry((swap.property, swap.change)).or_default().push(effect);
        }
        Some(())
    }
}

impl Property {
    fn add(&mut self, number: usize, own: usize, text: &str, swaps: &[&Recorded]) {
        let sum: f64 = swaps.iter().map(|swap| swap.shift.abs()).sum();
        self.texts.push(Affected {
            number,
            variants: swaps.len(),
            flips: swaps.iter().filter(|swap| swap.label != own).count(),
            shift: sum / swaps.len() as f64,
        });
        self.worst.extend(swaps.iter().map(|swap| Worst {
            number,
            change: swap.change.clone(),
            before: text.to_owned(),
            after: swap.text.clone(),
            from: own,
            to: swap.label,
            shift: swap.shift,
        }));
        self.worst.sort_by(|a, b| {
            let (of_a, of_b) = (a.size(), b.size());
            let by_number = (a.number, &a.change).cmp(&(b.number, &b.change));
            of_b.0.cmp(&of_a.0).then(of_b.1.total_cmp(&of_a.1)).then(by_number)
        });
        self.worst.truncate(MOST_EXAMPLES);
    }
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn recorded(swap: &Value, classes: usize) -> Option<Recorded> {
    let text = |field: &str| swap[field].as_str().map(str::to_owned);
    let shifts =
        swap["shifts"].as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<_>>>()?;
    let label =
        index(&swap["label"]).filter(|label| *label < classes && shifts.len() == classes)?;
    Some(Recorded {
        property: text("property")?,
        change: text("change")?,
        text: text("text")?,
        label,
        shift: swap["shift"].as_f64()?,
        shifts,
    })
}
