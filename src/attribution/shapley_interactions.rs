//! Shapley interactions of pairs (k-SII of order 2); see [`shapley`](crate::shapley).

use std::sync::Arc;

use futures_util::FutureExt;

use super::deviations::of_covariance;
use super::enumeration::{self, complete};
use super::options::{OptionKind, OptionSpec, Preset};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, Units};
use super::samples::{self, Collect, Goal, MAX_EVALS, TOLERANCE, Work};
use super::{ALWAYS, AS_GIVEN, Attribution, Interactions, MethodEntry, Options, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::random::Generator;
use crate::shapley::pairs::{self, PairEstimator};
use crate::shapley::{Estimator, Order};

/// Interactions need more evaluations than single scores.
const EVALUATIONS: OptionSpec =
    OptionSpec { default: Preset::Integer(2_000), kind: OptionKind::Integer { min: 4, max: 20_000 }, ..MAX_EVALS };

/// The most units of which all combinations are run, if `max_evals` allows: 1024.
const MOST_EXACT: usize = 10;

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
    let sampled = sampled(passes, &perturbation, subject, options, &named);
    if !is_exact || !enumeration::is_allowed(units, max_evals) {
        return sampled.await;
    }
    let exact = |all: Vec<Vec<f64>>| {
        let goal = Goal::new(all.len(), options, subject.encoding);
        let of_scalar = |(k, &value): (usize, &f64)| {
            let scalar = |bits: usize| all[bits][k];
            let found = pairs::Interactions::exact(pairs::exact(units, scalar));
            let main = pairs::main_effects(&shapley::exact(units, scalar), &found.values);
            let attribution = named.attribution(&main, &found, value, all[0][k]);
            goal.judged(attribution, all.len(), true)
        };
        subject.values.iter().enumerate().map(of_scalar).collect()
    };
    enumeration::exact_or(passes, &perturbation, subject, exact, sampled).await
}

/// Returns coalitions that stand for their complements too: first those of one unit, which determine
/// the sum of each unit's interactions, and then those of an [`Order`].
fn drawn(units: usize, seed: u64, count: usize) -> Vec<Mask> {
    let mut generator = Generator::stream(seed, 1);
    // The only pair of two units stands for both.
    let single = generator.choose(units, units).into_iter().take(if units == 2 { 1 } else { units });
    let single = single.map(|one| (0..units).map(|unit| unit == one).collect::<Mask>());
    let is_larger = |mask: &Mask| mask.iter().filter(|present| **present).count() > 1;
    let others = Order::new(units, Generator::stream(seed, 0)).filter(is_larger);
    single.chain(others).take(count).collect()
}
