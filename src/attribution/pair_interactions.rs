//! What a unit of one text does because of a unit of another: the second difference of the explained
//! scalar without either and without both.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::interactions::{self, Interactions, Pairs};
use super::perturbation::{Mask, Perturbation, REPLACEMENT, UNIT, UnitKind, leave_one_out};
use super::{Attribution, Cost, MethodEntry, NEVER, NO_ROW, Options, PairsOf, Subject};
use crate::error::{Error, Result};
use crate::passes::Passes;
use crate::rows::{Row, RowOutput, Scalar, Want, dot, norm};
use crate::text::Encoding;

pub const ENTRY: MethodEntry = MethodEntry {
    name: "pair_interactions",
    summary: "How much each unit of the first half of a pair matters because of each unit of the \
              second: F(x) - F(x without i) - F(x without j) + F(x without both). Attributions are \
              F(x) - F(x without the unit), as in occlusion.",
    paper: "Tsang, Rambhatla & Liu 2020, arXiv:2006.10965 (ArchDetect, in the input's context)",
    options: &[UNIT, REPLACEMENT],
    settle,
    signed: true,
    complete: false,
    pairs: PairsOf::TwoTexts(run_apart),
    row_at_input: NO_ROW,
    stops_in_time: NEVER,
    cost_note: "1 forward row per unit, and 1 per pair of units if the model reads both halves \
                together",
    cost: |options, of| {
        let pairs = of.pairs.by(options.choice(UNIT.name));
        Cost { forward_rows: of.tokens.saturating_add(pairs), ..Cost::default() }
    },
    run: |passes, subject, options| together(passes, subject, options).boxed(),
};

/// Rejects spans, which only the first of two texts has.
fn settle(options: &mut Options) -> Result<()> {
    match options.choice(UNIT.name) {
        UnitKind::Span => Err(Error::field(
            format!("/{}", UNIT.name),
            "spans are in one text only, and pairs need units of both: token, word or sentence",
        )),
        UnitKind::Token | UnitKind::Word | UnitKind::Sentence => Ok(()),
    }
}

/// The perturbed units of one text.
struct Side {
    /// Indices of all its units among those of their kind: a row or column of the scores each.
    units: Vec<usize>,
    /// The perturbed unit of each, if it can be taken away.
    perturbed: Vec<Option<usize>>,
}

impl Side {
    /// Fails if there is no such text.
    fn new(
        perturbation: &Perturbation<'_>,
        of: &Encoding,
        kind: UnitKind,
        segment: usize,
    ) -> Result<Self> {
        let units = interactions::of_text(of, kind, segment);
        let indices = interactions::indices(of, kind, perturbation.units());
        let perturbed = |unit: &usize| indices.iter().position(|index| index == unit);
        let perturbed: Vec<Option<usize>> = units.iter().map(perturbed).collect();
        match (units.is_empty(), perturbed.iter().any(Option::is_some)) {
            (false, true) => Ok(Self { units, perturbed }),
            (false, false) => {
                let detail = "no unit of one text can be taken away: choose another replacement";
                Err(Error::field(format!("/{}", REPLACEMENT.name), detail))
            }
            (true, _) if of.held > 0 => {
                let detail = "the hypothesis stays as it is: set explain_hypothesis to true";
                Err(Error::field("", detail))
            }
            (true, _) => Err(Error::field("", "the method needs two texts: send text_pair")),
        }
    }

    fn perturbed(&self) -> impl Iterator<Item = usize> {
        self.perturbed.iter().flatten().copied()
    }
}

/// Returns the pairs' scores of `second`, the second difference without two perturbed units; 0 for
/// units that cannot be taken away.
fn table([one, other]: &[Side; 2], mut second: impl FnMut(usize, usize) -> f64) -> Vec<Vec<f64>> {
    let of = |i: &Option<usize>| {
        let score = |j: &Option<usize>| i.zip(*j).map_or(0., |(i, j)| second(i, j));
        other.perturbed.iter().map(score).collect()
    };
    one.perturbed.iter().map(of).collect()
}

/// Both texts are read together: a row per unit, and one per pair.
async fn together(
    passes: &Passes,
    subject: Subject<'_>,
    options: &Options,
) -> Result<Vec<Attribution>> {
    let perturbation = Perturbation::by(passes.model(), subject, options)?;
    let kind: UnitKind = options.choice(UNIT.name);
    let side = |segment| Side::new(&perturbation, subject.encoding, kind, segment);
    let sides = [side(0)?, side(1)?];
    let count = perturbation.count();
    let mut masks = leave_one_out(count);
    let without = |i, j| (0..count).map(|unit| unit != i && unit != j).collect::<Mask>();
    let second = |i| sides[1].perturbed().map(move |j| (i, j));
    let pairs: Vec<(usize, usize)> = sides[0].perturbed().flat_map(second).collect();
    masks.extend(pairs.iter().map(|&(i, j)| without(i, j)));
    let values = perturbation.values(passes, &masks).await?;
    let of_scalar = |k: usize| {
        let (single, both) = values.split_at(count);
        // In the order of the pairs.
        let mut both = both.iter().map(|values| values[k]);
        let scores = table(&sides, |i, j| {
            let both = both.next().unwrap_or_default();
            subject.values[k] - single[i][k] - single[j][k] + both
        });
        let drops: Vec<f64> = single.iter().map(|values| subject.values[k] - values[k]).collect();
        attribution(&perturbation, &drops, kind, &sides, scores)
    };
    Ok((0..subject.scalars.len()).map(of_scalar).collect())
}

fn run_apart<'a>(
    passes: &'a Passes,
    subjects: [Subject<'a>; 2],
    options: &'a Options,
) -> BoxFuture<'a, Result<[Vec<Attribution>; 2]>> {
    apart(passes, subjects, options).boxed()
}

/// Each text is embedded by itself, so that a row per unit gives the embeddings of all pairs.
async fn apart(
    passes: &Passes,
    subjects: [Subject<'_>; 2],
    options: &Options,
) -> Result<[Vec<Attribution>; 2]> {
    let kind: UnitKind = options.choice(UNIT.name);
    let by = |subject| Perturbation::by(passes.model(), subject, options);
    let perturbations = [by(subjects[0])?, by(subjects[1])?];
    let side = |text: usize| Side::new(&perturbations[text], subjects[text].encoding, kind, 0);
    let sides = [side(0)?, side(1)?];
    let rows = |perturbation: &Perturbation<'_>| {
        let row = |absent| Row { want: Want::Outputs, ..perturbation.row(|unit| unit != absent) };
        (0..perturbation.count()).map(row).collect::<Vec<Row>>()
    };
    let mut first = passes.run(perturbations.iter().flat_map(rows).collect()).await?;
    let second = first.split_off(perturbations[0].count());
    let [of_first, of_second] = subjects.map(|subject| &subject.scalars[0]);
    let value = |scalar: &Scalar, output: &RowOutput| scalar.value(&output.logits, &[]);
    let without_first: Vec<f64> = first.iter().map(|output| value(of_first, output)).collect();
    let without_second: Vec<f64> = second.iter().map(|output| value(of_second, output)).collect();
    let whole = subjects[0].values[0];
    let cosines = passes.compute(move || cosines(&first, &second)).await?;
    let scores = table(&sides, |i, j| whole - without_first[i] - without_second[j] + cosines[i][j]);
    let drops = [&without_first, &without_second]
        .map(|without| without.iter().map(|without| whole - without).collect::<Vec<f64>>());
    let of_text = |text: usize| {
        let (by, drops) = (&perturbations[text], &drops[text]);
        vec![attribution(by, drops, kind, &sides, scores.clone())]
    };
    Ok([of_text(0), of_text(1)])
}

/// Returns the cosine of every embedding of one text with every one of the other.
fn cosines(first: &[RowOutput], second: &[RowOutput]) -> Vec<Vec<f64>> {
    let units = |outputs: &[RowOutput]| -> Vec<Vec<f64>> {
        let unit = |output: &RowOutput| {
            let length = norm(&output.logits);
            output.logits.iter().map(|x| x / length).collect()
        };
        outputs.iter().map(unit).collect()
    };
    let second = units(second);
    let of = |one: &Vec<f64>| second.iter().map(|other| dot(one, other)).collect();
    units(first).iter().map(of).collect()
}

fn attribution(
    perturbation: &Perturbation<'_>,
    drops: &[f64],
    kind: UnitKind,
    sides: &[Side; 2],
    scores: Vec<Vec<f64>>,
) -> Attribution {
    let units = [sides[0].units.clone(), sides[1].units.clone()];
    let interactions = Some(Interactions { unit: kind, pairs: Pairs::Between { units, scores } });
    Attribution { interactions, ..Attribution::plain(perturbation.units().spread(drops)) }
}
