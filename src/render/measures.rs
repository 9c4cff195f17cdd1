//! What was measured, as a table: a line a number, a column a method.

use crate::evaluation::{Evaluation, MEASURES, MeasureEntry, REFERENCE, Value};

/// Every measure that says something of a method.
pub struct Table<'a> {
    /// The last one may be the random reference.
    pub methods: Vec<&'a str>,
    pub measures: Vec<Measure>,
}

/// One measure, in a line or in several.
pub struct Measure {
    pub entry: &'static MeasureEntry,
    pub lines: Vec<Line>,
}

/// One number of each method.
pub struct Line {
    /// Which of the measure's numbers, where it has several.
    pub part: Option<&'static str>,
    pub better: Better,
    pub cells: Vec<Cell>,
}

/// What one method has.
pub struct Cell {
    pub number: Option<f64>,
    /// Whether no method has a better one, where there are several.
    pub best: bool,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// It is no matter of better.
    Neither,
}

impl Better {
    /// As measures say it of a lone number; of several by their names.
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
            Self::Neither => "neither way is better",
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
    /// Whether its numbers have names.
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

    /// How many numbers it has room for.
    pub fn cells(&self) -> usize {
        let lines: usize = self.measures.iter().map(|measure| measure.lines.len()).sum();
        lines * self.methods.len()
    }

    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.measures.iter().flat_map(|measure| &measure.lines)
    }
}

/// None where it says nothing of any method.
fn measure(evaluation: &Evaluation, entry: &'static MeasureEntry) -> Option<Measure> {
    let lines = match evaluation.of_methods.iter().find_map(|(_, found)| value(found, entry))? {
        Value::Number(_) => vec![line(evaluation, entry, None)],
        Value::Parts(parts) => {
            parts.iter().map(|(part, _)| line(evaluation, entry, Some(part))).collect()
        }
    };
    Some(Measure { entry, lines })
}

type Found = [(&'static str, Value)];

fn value<'v>(found: &'v Found, entry: &MeasureEntry) -> Option<&'v Value> {
    found.iter().find(|(name, _)| *name == entry.name).map(|(_, value)| value)
}

fn line(evaluation: &Evaluation, entry: &MeasureEntry, part: Option<&'static str>) -> Line {
    let better = Better::of(entry, part);
    let numbers = || {
        let methods = evaluation.of_methods.iter();
        methods.map(|(method, found)| (method, value(found, entry).and_then(|v| number(v, part))))
    };
    let judged = || numbers().filter(|(method, _)| *method != REFERENCE).filter_map(|(_, n)| n);
    let best = if judged().count() > 1 { better.best(judged()) } else { None };
    let cell = |(method, number): (&String, Option<f64>)| Cell {
        number,
        best: method != REFERENCE && best.is_some() && number == best,
    };
    Line { part, better, cells: numbers().map(cell).collect() }
}

fn number(value: &Value, part: Option<&str>) -> Option<f64> {
    match (value, part) {
        (Value::Number(number), None) => Some(*number),
        (Value::Parts(parts), Some(part)) => {
            parts.iter().find(|(name, _)| *name == part).map(|(_, number)| *number)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_one_of_the_methods() {
        let of = |name: &str, falls: f64, change: f64| {
            let parts = vec![("relative_change", change), ("rank_correlation", 1.)];
            let found = vec![
                ("comprehensiveness", Value::Number(falls)),
                ("baseline_sensitivity", Value::Parts(parts)),
            ];
            (name.to_owned(), found)
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
