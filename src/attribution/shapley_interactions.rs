//! Shapley interactions of pairs (k-SII of order 2); see [`shapley`](crate::shapley).

use std::sync::Arc;

use futures_util::{FutureExt, TryFutureExt};

use super::coalitions::{self, Estimate, Evaluated};
use super::deviations::of_covariance;
use super::enumeration;
use super::interactions::{self, Interactions, PairScore, Pairs};
use super::options::{OptionSpec, Preset};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, UnitKind, Units};
use super::samples::{self, Goal, MAX_EVALS, TOLERANCE};
use super::{
    ALWAYS, AS_GIVEN, Attribution, Completeness, MethodEntry, NO_ROW, Options, PairsOf, Subject,
};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;
use crate::shapley::pairs::{self, PairEstimator};
use crate::shapley::{self, Estimator, Order};

/// Interactions need more evaluations than single scores.
const EVALUATIONS: OptionSpec = OptionSpec { default: Preset::Integer(2_000), ..MAX_EVALS };

/// The most units of which all combinations are run, if `max_evals` allows: 1024.
const MOST_EXACT: usize = 10;

/// The most units: more have so many pairs that no number of evaluations says much about each.
const MOST_UNITS: usize = 128;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "shapley_interactions",
    summary: "What each pair of units does beyond what both do alone, and the main effects that \
              remain, with standard errors; exact for up to 10 units. All add up to the change from \
              no units to the input.",
    paper: "Bordt & von Luxburg 2023, arXiv:2209.04012; Witter, Liu & Musco 2025, arXiv:2506.11849",
    options: &[UNIT, REPLACEMENT, EVALUATIONS, TOLERANCE],
    settle: AS_GIVEN,
    signed: true,
    complete: true,
    pairs: PairsOf::AllUnits { most: MOST_UNITS },
    row_at_input: NO_ROW,
    stops_in_time: ALWAYS,
    cost_note: "max_evals forward rows at most, or 2 to the number of units if that is less; fewer \
                if the tolerance is reached",
    cost: samples::masks_cost,
    run: |passes, subject, options| run(passes, subject, options).boxed(),
};

async fn run(passes: &Passes, subject: Subject<'_>, options: &Options) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let units = perturbation.count();
    let max_evals = options.integer(MAX_EVALS.name).unwrap_or_default();
    let is_exact = units <= MOST_EXACT || options.number(TOLERANCE.name) == 0.;
    let named = Named::new(&perturbation, subject, options);
    let sampled = sampled(passes, &perturbation, subject, options, named.clone());
    if !is_exact || !enumeration::is_allowed(units, max_evals) {
        return sampled.await;
    }
    let exact = |all: Vec<Vec<f64>>| {
        let (goal, named) = (Goal::new(all.len(), options, subject.encoding), named.clone());
        let count = all.len();
        let work = move || (0..all[0].len()).map(|k| named.exact(units, &all, k)).collect();
        passes.compute(work).map_ok(move |found: Vec<Attribution>| {
            found.into_iter().map(|one| goal.judged(one, count, true)).collect()
        })
    };
    enumeration::exact_or(passes, &perturbation, subject, exact, sampled).await
}

/// Returns coalitions that stand for their complements too: first those of one unit, which determine
/// the sum of each unit's interactions, and then those of an [`Order`].
fn drawn(units: usize, seed: u64, count: usize) -> Vec<Mask> {
    let mut generator = Generator::stream(seed, 1);
    // The only pair of two units stands for both.
    let single =
        generator.choose(units, units).into_iter().take(if units == 2 { 1 } else { units });
    let single = single.map(|one| (0..units).map(|unit| unit == one).collect::<Mask>());
    let is_larger = |mask: &Mask| mask.iter().filter(|present| **present).count() > 1;
    let others = Order::new(units, Generator::stream(seed, 0)).filter(is_larger);
    single.chain(others).take(count).collect()
}

async fn sampled(
    passes: &Passes,
    perturbation: &Perturbation<'_>,
    subject: Subject<'_>,
    options: &Options,
    named: Named,
) -> Result<Vec<Attribution>> {
    let (units, seed) = (perturbation.count(), subject.seed);
    let prepare = move |count| {
        let (single, paired) = (Estimator::new(units), PairEstimator::new(units));
        (Estimators { named, single, paired }, drawn(units, seed, count))
    };
    coalitions::run(passes, perturbation, subject, options, prepare).await
}

struct Estimators {
    named: Named,
    single: Estimator,
    paired: PairEstimator,
}

impl Estimate for Estimators {
    fn attributions(&self, coalitions: &[Mask], scalars: &[Evaluated]) -> Vec<Attribution> {
        let (fit, pair_fit) = (self.single.fit(coalitions), self.paired.fit(coalitions));
        let of_scalar = |scalar: &Evaluated| {
            let (value, empty) = (scalar.value, scalar.empty);
            let mut estimate = fit.estimate(&scalar.differences(), value - empty);
            let found = pair_fit.estimate(&scalar.sums(), value + empty);
            let main = pairs::main_effects(&estimate.values, &found.values);
            let units = main.len();
            // From the coalitions of one unit on, the sums of a unit's interactions are exact.
            if coalitions.len() < units {
                for ((i, j), variance) in pairs::all_pairs(units).zip(&found.variances) {
                    estimate.covariance[i][i] += variance / 4.;
                    estimate.covariance[j][j] += variance / 4.;
                }
            }
            let vectors = of_covariance(estimate.covariance);
            Attribution {
                deviations: vectors.iter().map(|vector| self.named.units.spread(vector)).collect(),
                ..self.named.attribution(&main, &found, value, empty)
            }
        };
        scalars.iter().map(of_scalar).collect()
    }
}

/// The perturbed units, and what they are called in the answer.
#[derive(Clone)]
struct Named {
    units: Arc<Units>,
    kind: UnitKind,
    /// The index of each unit among all of its kind.
    indices: Arc<[usize]>,
}

impl Named {
    fn new(perturbation: &Perturbation<'_>, subject: Subject<'_>, options: &Options) -> Self {
        let kind: UnitKind = options.choice(UNIT.name);
        let units = Arc::clone(perturbation.units());
        let indices = interactions::indices(subject.encoding, kind, &units).into();
        Self { units, kind, indices }
    }

    /// Returns the attribution of scalar `k`, given the scalars of all combinations.
    fn exact(&self, units: usize, all: &[Vec<f64>], k: usize) -> Attribution {
        let scalar = |bits: usize| all[bits][k];
        let found = pairs::Interactions::exact(pairs::exact(units, scalar));
        let main = pairs::main_effects(&shapley::exact(units, scalar), &found.values);
        self.attribution(&main, &found, scalar(all.len() - 1), scalar(0))
    }

    /// Returns the attribution of these main effects and pairs, which add up to the change from
    /// `empty` to `value`.
    fn attribution(
        &self,
        main: &[f64],
        found: &pairs::Interactions,
        value: f64,
        empty: f64,
    ) -> Attribution {
        let scores = self.units.spread(main);
        let all: Vec<f64> = main.iter().chain(&found.values).copied().collect();
        let completeness = Completeness::of(&all, value, empty, 0.);
        let pair = |((i, j), (score, variance)): ((usize, usize), (&f64, &f64))| PairScore {
            units: [self.indices[i], self.indices[j]],
            score: *score,
            standard_error: variance.sqrt(),
        };
        let numbers = found.values.iter().zip(&found.variances);
        let scored = pairs::all_pairs(main.len()).zip(numbers).map(pair).collect();
        let pairs = Pairs::among_all(scored);
        let interactions = Some(Interactions { unit: self.kind, pairs });
        Attribution { completeness: Some(completeness), interactions, ..Attribution::plain(scores) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every coalition is drawn once, or its complement; first those of one unit.
    #[test]
    fn coalitions_are_distinct() {
        for units in [2, 3, 6] {
            let all = drawn(units, 1, 1 << units);
            assert_eq!(all.len(), (1 << (units - 1)) - 1, "without all and none");
            let sizes: Vec<usize> =
                all.iter().map(|one| one.iter().filter(|present| **present).count()).collect();
            let single = if units == 2 { 1 } else { units };
            assert!(sizes[..single].iter().all(|size| *size == 1));
            let complement = |one: &Mask| one.iter().map(|present| !present).collect::<Mask>();
            for (index, one) in all.iter().enumerate() {
                let (before, other) = (&all[..index], complement(one));
                assert!(!before.contains(one) && !before.contains(&other));
            }
        }
    }
}
