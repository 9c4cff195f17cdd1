//! How far an explanation can be trusted: one file a measure. A new one is a file
//! and an entry of [`MEASURES`].

pub mod agreement;
mod baseline_sensitivity;
pub mod bench;
mod complexity;
mod infidelity;
mod loo_correlation;
pub mod ranking;
mod rationale;
pub mod statistics;

use futures_util::future::BoxFuture;

pub use agreement::Agreement;
pub use bench::{Bench, Scored};
use rationale::{COMPREHENSIVENESS, Left, SUFFICIENCY};

use crate::error::{Code, Result};
use crate::random::Generator;

/// What is measured, and how words are taken away for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Names of [`MEASURES`], [`RANDOM`] and [`AGREEMENT`].
    pub measures: Vec<&'static str>,
    /// `token` or `word`.
    pub unit: &'static str,
    /// `remove`, `mask` or `pad`.
    pub replacement: &'static str,
    pub rule: Rule,
    /// Shares of the units that make a rationale, each in (0, 1].
    pub thresholds: Vec<f64>,
}

/// Which units are a rationale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `⌈share · n⌉` units with the highest scores (DeYoung et al. 2020).
    Eraser,
    /// `⌊share · n⌋` units with the highest scores, of these the positive ones;
    /// what repeats the one before does not count (ferret 0.4).
    Ferret,
}

impl Rule {
    /// Its own thresholds.
    pub fn thresholds(self) -> Vec<f64> {
        match self {
            Self::Eraser => vec![0.01, 0.05, 0.1, 0.2, 0.5],
            Self::Ferret => (1..=10).map(|tenth| f64::from(tenth) / 10.).collect(),
        }
    }
}

/// The reference: rationales drawn at random.
pub const RANDOM: &str = "random_reference";

/// How far the methods of a request say the same.
pub const AGREEMENT: &str = "agreement";

/// What a measure gives: a number, or some with names.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Parts(Vec<(&'static str, f64)>),
}

type Run = for<'a> fn(&'a Bench<'a>, &'a Scored<'a>) -> BoxFuture<'a, Result<Option<Value>>>;

/// An entry of [`MEASURES`].
pub struct MeasureEntry {
    pub name: &'static str,
    pub summary: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// Which way is better, in words.
    pub better: &'static str,
    /// Rows that it runs for a method that takes `rows`, on an input of so many
    /// tokens.
    pub cost: fn(settings: &Settings, rows: usize, tokens: usize) -> usize,
    /// None where it says nothing about these scores.
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
];

/// Every name that `evaluate` takes.
pub fn names() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|entry| entry.name).chain([RANDOM, AGREEMENT])
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            measures: names().collect(),
            unit: "word",
            replacement: "remove",
            rule: Rule::Eraser,
            thresholds: Rule::Eraser.thresholds(),
        }
    }
}

impl Settings {
    fn wants(&self, name: &str) -> bool {
        self.measures.contains(&name)
    }

    /// The measures of single methods that are asked for.
    fn entries(&self) -> impl Iterator<Item = &'static MeasureEntry> {
        MEASURES.iter().filter(|entry| self.wants(entry.name))
    }

    /// Rows that measuring a method may take which takes `rows` by itself.
    pub fn cost(&self, rows: usize, tokens: usize) -> usize {
        self.entries().map(|entry| (entry.cost)(self, rows, tokens)).sum()
    }

    /// Rows that the random reference may take.
    pub fn reference_cost(&self) -> usize {
        if self.wants(RANDOM) { 2 * RANKINGS * self.thresholds.len() } else { 0 }
    }
}

/// What was measured of one input.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// By method, in their order; the last one is the random reference, if asked
    /// for.
    pub of_methods: Vec<(String, Vec<(&'static str, Value)>)>,
    pub agreement: Option<Vec<Agreement>>,
    /// Measures that could not be taken.
    pub skipped: Vec<&'static str>,
}

/// The name of the reference among the methods.
pub const REFERENCE: &str = "random";

/// Random rankings that the reference is the mean of.
const RANKINGS: usize = 10;

/// Measures every method's scores of one target, and how they agree. What there is no
/// time for is left out and said to be.
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
    let agreement = bench.settings.wants(AGREEMENT).then(|| {
        let scores: Vec<Vec<f64>> =
            methods.iter().map(|scored| bench.words_of(scored.scores)).collect();
        agreement::between(&names, methods, &scores)
    });
    let mut of_methods: Vec<_> = names.into_iter().zip(values).collect();
    if bench.settings.wants(RANDOM) {
        match in_time(reference(bench).await)? {
            Some(found) => of_methods.push((REFERENCE.to_owned(), found)),
            None => skipped.push(RANDOM),
        }
    }
    Ok(Evaluation { of_methods, agreement, skipped })
}

/// One measure of every method; none where it says nothing about its scores.
async fn measured(
    entry: &MeasureEntry,
    bench: &Bench<'_>,
    methods: &[Scored<'_>],
) -> Result<Vec<Option<Value>>> {
    let rows = |scored: &Scored<'_>| (entry.cost)(bench.settings, scored.rows, bench.tokens());
    bench.check_time_for(methods.iter().map(rows).sum())?;
    let mut values = Vec::new();
    // One after the other: what the first one asks, the others know.
    for scored in methods {
        values.push((entry.run)(bench, scored).await?);
    }
    Ok(values)
}

/// None of what was not done in time.
fn in_time<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code == Code::DeadlineExceeded => Ok(None),
        Err(error) => Err(error),
    }
}

impl Evaluation {
    /// Measures that could not be taken, in words.
    pub fn unmeasured(&self) -> Option<Warning> {
        let detail = match self.of_methods.is_empty() {
            true => "there is nothing to take away but the target's own word".to_owned(),
            false => format!("there was no time to measure {}", self.skipped.join(", ")),
        };
        (!self.skipped.is_empty()).then_some(Warning { code: "not_measured", detail })
    }
}

/// What random rankings come to, on average: what a number has to beat.
async fn reference(bench: &Bench<'_>) -> Result<Vec<(&'static str, Value)>> {
    bench.check_time_for(bench.settings.reference_cost())?;
    let both = [(&COMPREHENSIVENESS, Left::Others), (&SUFFICIENCY, Left::Rationale)];
    let alone = both.iter().all(|(entry, _)| !bench.settings.wants(entry.name));
    let mut values = Vec::new();
    for (entry, left) in both.into_iter().filter(|(e, _)| alone || bench.settings.wants(e.name)) {
        let mut sum = 0.;
        for ranking in 0..RANKINGS {
            let mut generator = Generator::stream(bench.seed(), REFERENCE_STREAM + ranking as u64);
            let units: Vec<f64> = (0..bench.units()).map(|_| generator.uniform()).collect();
            sum += rationale::measure(bench, left, &units).await?;
        }
        values.push((entry.name, Value::Number(sum / RANKINGS as f64)));
    }
    Ok(values)
}

/// The sequences of the seed that the reference draws from: those before are the
/// methods'.
const REFERENCE_STREAM: u64 = 1 << 32;

/// Names of methods, those that come again numbered.
pub fn keys<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        let before = seen.iter().filter(|other| **other == name).count();
        keys.push(if before == 0 { name.to_owned() } else { format!("{name}#{}", before + 1) });
        seen.push(name);
    }
    keys
}

/// Something that makes an answer worth less, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub code: &'static str,
    pub detail: String,
}
