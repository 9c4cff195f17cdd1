//! Evaluation results as a table: one line per number, one column per method.

use crate::evaluation::{Evaluation, MEASURES, MeasureEntry, REFERENCE, Value};

/// Every measure with a value for at least one method.
pub struct Table<'a> {
    /// The last one may be the random reference.
    pub methods: Vec<&'a str>,
    pub measures: Vec<Measure>,
}

/// One measure, in one or several lines.
pub struct Measure {
    pub entry: &'static MeasureEntry,
    pub lines: Vec<Line>,
}

/// One number per method.
pub struct Line {
    /// The name of the number if the measure has several.
    pub part: Option<&'static str>,
    pub better: Better,
    pub cells: Vec<Cell>,
}

/// The number of one method.
pub struct Cell {
    pub number: Option<f64>,
    /// Whether this is the best of several methods.
    pub best: bool,
}

/// Which direction of a number is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// The number does not rank methods.
    Neither,
}

impl Better {
    /// Of a measure's only number by its entry, of several numbers by their names.
    fn of(measure: &MeasureEntry, part: Option<&str>) -> Self {
        match part.unwrap_or(measure.better) {
            "higher" | "rank_correlation" => Self::Higher,
            "lower" | "relative_change" => Self::Lower,
            _ => Self::Neither,
        }
    }

    pub fn sign(self) -> &'static str {
        match self {
            Self::Higher => "↑",
            Self::Lower => "↓",
            Self::Neither => "",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Higher => "higher is better",
            Self::Lower => "lower is better",
            Self::Neither => "neither direction is better",
        }
    }

    fn best(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        match self {
            Self::Higher => values.reduce(f64::max),
            Self::Lower => values.reduce(f64::min),
            Self::Neither => None,
        }
    }
}

impl Measure {
    /// Whether the measure has several, named numbers.
    pub fn is_in_parts(&self) -> bool {
        self.lines.iter().any(|line| line.part.is_some())
    }
}

impl<'a> Table<'a> {
    pub fn of(evaluation: &'a Evaluation) -> Self {
        let measures = MEASURES.iter().filter_map(|entry| measure(evaluation, entry)).collect();
        let methods = evaluation.of_methods.iter().map(|(method, _)| method.as_str()).collect();
        Self { methods, measures }
    }

    /// Returns the number of cells.
    pub fn cells(&self) -> usize {
        let lines: usize = self.measures.iter().map(|measure| measure.lines.len()).sum();
        lines * self.methods.len()
    }

    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.measures.iter().flat_map(|measure| &measure.lines)
    }
}

/// Returns `None` if no method has a value.
fn measure(evaluation: &Evaluation, entry: &'static MeasureEntry) -> Option<Measure> {
    let lines = match evaluation.of_methods.iter().find_map(|(_, values)| value(values, entry))? {
        Value::Number(_) => vec![line(evaluation, entry, None)],
        Value::Named(parts) => {
            parts.iter().map(|(part, _)| line(evaluation, entry, Some(part))).collect()
        }
    };
    Some(Measure { entry, lines })
}

type MethodValues = [(&'static str, Value)];

fn value<'v>(values: &'v MethodValues, entry: &MeasureEntry) -> Option<&'v Value> {
    values.iter().find(|(name, _)| *name == entry.name).map(|(_, value)| value)
}

fn line(evaluation: &Evaluation, entry: &MeasureEntry, part: Option<&'static str>) -> Line {
    let better = Better::of(entry, part);
    let numbers = || {
        let methods = evaluation.of_methods.iter();
        methods.map(|(method, values)| (method, value(values, entry).and_then(|v| number(v, part))))
    };
    let ranked = || numbers().filter(|(method, _)| *method != REFERENCE).filter_map(|(_, n)| n);
    let best = if ranked().count() > 1 { better.best(ranked()) } else { None };
    let cell = |(method, number): (&String, Option<f64>)| Cell {
        number,
        best: method != REFERENCE && best.is_some() && number == best,
    };
    Line { part, better, cells: numbers().map(cell).collect() }
}

fn number(value: &Value, part: Option<&str>) -> Option<f64> {
    match (value, part) {
        (Value::Number(number), None) => Some(*number),
        (Value::Named(parts), Some(part)) => {
            parts.iter().find(|(name, _)| *name == part).map(|(_, number)| *number)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_reference_is_never_best() {
        let of = |name: &str, falls: f64, change: f64| {
            let parts = vec![("relative_change", change), ("rank_correlation", 1.)];
            let values = vec![
                ("comprehensiveness", Value::Number(falls)),
                ("baseline_sensitivity", Value::Named(parts)),
            ];
            (name.to_owned(), values)
        };
        let of_methods = vec![of("a", 0.1, 0.2), of("b", 0.5, 0.3), of(REFERENCE, 0.9, 0.)];
        let evaluation = Evaluation { of_methods, ..Evaluation::default() };
        let table = Table::of(&evaluation);
        let best = |line: &Line| line.cells.iter().map(|cell| cell.best).collect::<Vec<_>>();
        let best: Vec<Vec<bool>> = table.lines().map(best).collect();
        assert_eq!(best, [[false, true, false], [true, false, false], [true, true, false]]);
        assert_eq!(table.cells(), 9);
    }
}
