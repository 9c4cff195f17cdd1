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
