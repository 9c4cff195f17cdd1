//! Measures of how far an explanation can be trusted, one per file. To add a measure, create a file
//! and list its entry in [`MEASURES`].
//!
//! The reasons for the design: docs/concepts/attribution.md.

pub mod agreement;
mod baseline_sensitivity;
pub mod bench;
mod complexity;
mod infidelity;
pub mod interval;
mod loo_correlation;
mod plausibility;
pub mod ranking;
mod rationale;
pub mod statistics;

use futures_util::future::BoxFuture;

pub use agreement::Agreement;
pub use bench::{Bench, Scored};
use rationale::{COMPREHENSIVENESS, Kept, SUFFICIENCY};

use crate::attribution::perturbation::{ReplacementKind, UnitKind};
use crate::choice::choices;
use crate::error::{Code, Result};
use crate::random::Generator;

/// What to measure, and how units are taken away for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Names of [`MEASURES`], [`RANDOM`] and [`AGREEMENT`].
    pub measures: Vec<&'static str>,
    pub unit: UnitKind,
    pub replacement: ReplacementKind,
    pub rule: Rule,
    /// Sizes of the rationales, as shares of all units in (0, 1].
    pub thresholds: Vec<f64>,
}

choices! {
    /// Which units form a rationale.
    pub enum Rule {
        /// The `⌈share · n⌉` units with the highest scores (DeYoung et al. 2020).
        Eraser = "eraser",
        /// The positive ones among the `⌊share · n⌋` units with the highest scores. Rationales
        /// that repeat the previous one do not count (ferret 0.4).
        Ferret = "ferret",
    }
}

impl Rule {
    /// Returns the default thresholds of the rule.
    pub fn thresholds(self) -> Vec<f64> {
        match self {
            Self::Eraser => vec![0.01, 0.05, 0.1, 0.2, 0.5],
            Self::Ferret => (1..=10).map(|tenth| f64::from(tenth) / 10.).collect(),
        }
    }
}

/// Name of the random reference: rationales drawn at random.
pub const RANDOM: &str = "random_reference";

/// Name of the agreement between the methods of a request.
pub const AGREEMENT: &str = "agreement";

/// The result of a measure: a number, or several named ones.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Named(Vec<(&'static str, f64)>),
}

type Run = for<'a> fn(&'a Bench<'a>, &'a Scored<'a>) -> BoxFuture<'a, Result<Option<Value>>>;

/// An entry of [`MEASURES`].
pub struct MeasureEntry {
    pub name: &'static str,
    pub summary: &'static str,
    /// The publication that introduced the measure.
    pub paper: &'static str,
    /// Which values are better, in words.
    pub better: &'static str,
    /// Returns the rows needed for a method that takes `rows` itself, on an input of `tokens`
    /// tokens.
    pub cost: fn(settings: &Settings, rows: usize, tokens: usize) -> usize,
    /// Returns `None` if the measure is not defined for the scores.
    pub run: Run,
}

impl std::fmt::Debug for MeasureEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

pub static MEASURES: &[MeasureEntry] = &[
    COMPREHENSIVENESS,
    SUFFICIENCY,
    loo_correlation::ENTRY,
    infidelity::ENTRY,
    baseline_sensitivity::ENTRY,
    complexity::ENTRY,
    plausibility::ENTRY,
];

/// Returns every name that `evaluate` accepts.
pub fn names() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|entry| entry.name).chain([RANDOM, AGREEMENT])
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            measures: names().collect(),
            unit: UnitKind::Word,
            replacement: ReplacementKind::Remove,
            rule: Rule::Eraser,
            thresholds: Rule::Eraser.thresholds(),
        }
    }
}

impl Settings {
    fn includes(&self, name: &str) -> bool {
        self.measures.contains(&name)
    }

    /// Returns the requested measures of single methods.
    fn entries(&self) -> impl Iterator<Item = &'static MeasureEntry> {
        MEASURES.iter().filter(|entry| self.includes(entry.name))
    }

    /// Returns the rows needed to measure a method that takes `rows` itself.
    pub fn cost(&self, rows: usize, tokens: usize) -> usize {
        self.entries().map(|entry| (entry.cost)(self, rows, tokens)).sum()
    }

    /// Returns the rows needed for the random reference.
    pub fn reference_cost(&self) -> usize {
        if self.includes(RANDOM) { 2 * RANKINGS * self.thresholds.len() } else { 0 }
    }
}

/// The measurements of one input.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// The measurements per method, in order. The random reference comes last, if requested.
    pub of_methods: Vec<(String, Vec<(&'static str, Value)>)>,
    pub agreement: Option<Vec<Agreement>>,
    /// Names of measures that were not taken.
    pub skipped: Vec<&'static str>,
}

/// The name of the random reference among the methods.
pub const REFERENCE: &str = "random";

/// Number of random rankings that the reference is averaged over.
const RANKINGS: usize = 10;

/// Measures every method's scores of one target, and their agreement. Measures without enough time
/// are skipped and listed in `skipped`.
pub async fn evaluate(bench: &Bench<'_>, methods: &[Scored<'_>]) -> Result<Evaluation> {
    let names = keys(methods.iter().map(|scored| scored.method.name));
    if bench.units() == 0 {
        return Ok(Evaluation {
            skipped: bench.settings.measures.clone(),
            ..Evaluation::default()
        });
    }
    let mut values: Vec<Vec<(&'static str, Value)>> = vec![Vec::new(); methods.len()];
    let mut skipped = Vec::new();
    for entry in bench.settings.entries() {
        match in_time(measured(entry, bench, methods).await)? {
            Some(found) => values.iter_mut().zip(found).for_each(|(values, found)| {
                values.extend(found.map(|value| (entry.name, value)));
            }),
            None => skipped.push(entry.name),
        }
    }
    let agreement = bench.settings.includes(AGREEMENT).then(|| {
        let scores: Vec<Vec<f64>> =
            methods.iter().map(|scored| bench.words_of(scored.scores)).collect();
        agreement::between(&names, methods, &scores)
    });
    let mut of_methods: Vec<_> = names.into_iter().zip(values).collect();
    if bench.settings.includes(RANDOM) {
        match in_time(reference(bench).await)? {
            Some(found) => of_methods.push((REFERENCE.to_owned(), found)),
            None => skipped.push(RANDOM),
        }
    }
    Ok(Evaluation { of_methods, agreement, skipped })
}

/// Takes one measure of every method; `None` where it is not defined.
async fn measured(
    entry: &MeasureEntry,
    bench: &Bench<'_>,
    methods: &[Scored<'_>],
) -> Result<Vec<Option<Value>>> {
    let rows = |scored: &Scored<'_>| (entry.cost)(bench.settings, scored.rows, bench.tokens());
    bench.check_time_for(methods.iter().map(rows).sum())?;
    let mut values = Vec::new();
    // Sequential, so that later methods find the values that earlier ones have run.
    for scored in methods {
        values.push((entry.run)(bench, scored).await?);
    }
    Ok(values)
}

/// Turns `deadline_exceeded` into `None`.
fn in_time<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code == Code::DeadlineExceeded => Ok(None),
        Err(error) => Err(error),
    }
}

impl Evaluation {
    /// Returns a warning about the measures that were not taken, if any.
    pub fn skipped_warning(&self) -> Option<Warning> {
        let detail = match self.of_methods.is_empty() {
            true => "only the word of the target could be removed".to_owned(),
            false => format!("there was no time to measure {}", self.skipped.join(", ")),
        };
        (!self.skipped.is_empty()).then_some(Warning { code: "not_measured", detail })
    }
}

/// Averages the measures over random rankings: the values that methods have to beat.
async fn reference(bench: &Bench<'_>) -> Result<Vec<(&'static str, Value)>> {
    bench.check_time_for(bench.settings.reference_cost())?;
    let both = [(&COMPREHENSIVENESS, Kept::Others), (&SUFFICIENCY, Kept::Rationale)];
    let alone = both.iter().all(|(entry, _)| !bench.settings.includes(entry.name));
    let mut values = Vec::new();
    for (entry, kept) in both.into_iter().filter(|(e, _)| alone || bench.settings.includes(e.name))
    {
        let mut sum = 0.;
        for ranking in 0..RANKINGS {
            let mut generator = reference_generator(bench, ranking);
            let units: Vec<f64> = (0..bench.units()).map(|_| generator.uniform()).collect();
            sum += rationale::measure(bench, kept, &units).await?;
        }
        values.push((entry.name, Value::Number(sum / RANKINGS as f64)));
    }
    if bench.settings.includes(plausibility::ENTRY.name) {
        let chance = plausibility::of_random(bench, RANKINGS, reference_generator);
        values.extend(chance.map(|value| (plausibility::ENTRY.name, value)));
    }
    Ok(values)
}

/// Returns the generator of one random ranking.
fn reference_generator(bench: &Bench<'_>, ranking: usize) -> Generator {
    Generator::stream(bench.seed(), REFERENCE_STREAM + ranking as u64)
}

/// First stream of the seed for the reference. Lower streams belong to the methods.
const REFERENCE_STREAM: u64 = 1 << 32;

/// Returns the names of methods, with a number appended to repeated ones.
pub fn keys<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut previous: Vec<&str> = Vec::new();
    for name in names {
        let repeats = previous.iter().filter(|other| **other == name).count();
        keys.push(if repeats == 0 { name.to_owned() } else { format!("{name}#{}", repeats + 1) });
        previous.push(name);
    }
    keys
}

/// A reason to trust an answer less, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub code: &'static str,
    pub detail: String,
}
