//! Zero-shot classification: the text is paired with the hypothesis of each candidate. A candidate
//! is explained as a function of the text, in all the pairs that its scalar depends on. Hypotheses
//! remain unchanged, unless the caller wants their words explained too.

mod pairs;

use std::sync::Arc;

use futures_util::future::{try_join_all, try_join3};

use super::events::Follow;
use super::steps::{self, ExplanationParts, ScoredMethod};
use crate::attention::{self, ResolvedSelection};
use crate::attribution::{Attribution, MaskValues, Subject};
use crate::error::{Error, Result};
use crate::evaluation::Evaluation;
use crate::explanation::{
    Attention, Candidates, Explained, Inside, Located, Predicted, Question, Resolved,
};
use crate::inside::{self, Part};
use crate::passes::{Joint, Outcome, Passes, Usage};
use crate::rows::{AttentionMap, Row, RowOutput, Scalar, Tokens, Want};
use crate::tasks::zero_shot;
use crate::text::Encoding;
pub use pairs::tokenized;

/// Explains the candidates that the question's target selects. Tokens and attention are those of
/// the first one's pair.
pub async fn explain(
    question: &Question,
    passes: &Passes,
    attention_selection: Option<&ResolvedSelection>,
    candidates: &Candidates,
    mut pairs: Vec<Encoding>,
    follow: &Follow,
) -> Result<Explained> {
    let outcome = zero_shot::outcome(&question.model, candidates)?;
    let rows = pairs.iter().map(forward).collect();
    let output = outcome.of(&passes.run(rows).await?);
    let ranked = zero_shot::ranked(candidates, &output);
    let best = ranked.first().map_or(0, |likeliest| likeliest.index);
    let targets = match steps::has_targets(question) {
        true => zero_shot::resolve(question, candidates, best)?,
        false => Vec::new(),
    };
    let values = steps::values(&targets, &output);
    let shown = targets.first().and_then(zero_shot::shown).unwrap_or(best);
    let ids = pairs.iter().map(|pair| Arc::clone(&pair.ids)).collect();
    let text = Text { question, outcome, pairs: &pairs, ids };
    // Progress is reported for a single target only, since scores would be incomplete for several.
    let target_follow = if targets.len() == 1 { follow.clone() } else { Follow::default() };
    let method_passes = passes.for_a_share(steps::methods_share(question));
    let (scored, attention, (inside, concepts)) = try_join3(
        text.scored(&method_passes, &targets, &values, shown, &target_follow),
        text.attention(attention_selection, passes, targets.first(), values.first(), shown),
        text.inside(&method_passes, candidates, targets.first(), values.first(), shown),
    )
    .await?;
    let evaluation = match (&question.evaluate, targets.first()) {
        (Some(_), Some(target)) => {
            Some(text.evaluation(passes, target, &values[0], &scored, &output).await?)
        }
        _ => None,
    };
    let predicted = Predicted::Labels(ranked);
    let encoding = pairs.swap_remove(shown);
    let parts = ExplanationParts {
        predicted,
        scored,
        targets,
        values,
        attention,
        inside,
        concepts,
        evaluation,
    };
    Ok(steps::assemble(question, encoding, parts))
}

fn forward(pair: &Encoding) -> Row {
    Row::forward(Arc::clone(&pair.ids), [].into())
}

/// One text, paired with every hypothesis.
struct Text<'a> {
    question: &'a Question,
    outcome: Outcome,
    pairs: &'a [Encoding],
    ids: Vec<Arc<Tokens>>,
}

/// One scalar, and the pair that its rows are built from.
struct PairSubject<'a> {
    encoding: &'a Encoding,
    reads: Arc<[usize]>,
    scalars: &'a [Scalar],
    values: &'a [f64],
    mask_values: MaskValues,
    seed: u64,
}

impl PairSubject<'_> {
    fn subject(&self) -> Subject<'_> {
        Subject {
            encoding: self.encoding,
            reads: &self.reads,
            scalars: self.scalars,
            values: self.values,
            mask_values: &self.mask_values,
            seed: self.seed,
        }
    }
}

impl<'a> Text<'a> {
    fn of_pair<'s>(
        &'s self,
        pair: usize,
        target: Option<&'s Resolved>,
        value: Option<&'s f64>,
    ) -> PairSubject<'s> {
        PairSubject {
            encoding: &self.pairs[pair],
            reads: [].into(),
            scalars: target.map_or(&[][..], |target| std::slice::from_ref(&target.scalar)),
            values: value.map_or(&[][..], std::slice::from_ref),
            mask_values: MaskValues::default(),
            seed: self.question.seed,
        }
    }

    /// Returns a handle that runs rows of one pair for `scalar`.
    fn passes(&self, passes: &Passes, pair: usize, scalar: &Scalar) -> Passes {
        let own = &self.pairs[pair];
        let shared = own.tokens.len() - own.held;
        let joint = Joint::new(self.outcome, self.ids.clone(), pair, shared, scalar);
        passes.jointly(Arc::new(joint))
    }

    /// Runs every method on every target. Returns scores over the tokens of pair `shown`.
    async fn scored(
        &self,
        passes: &Passes,
        targets: &[Resolved],
        values: &[f64],
        shown: usize,
        follow: &Follow,
    ) -> Result<Vec<ScoredMethod>> {
        let of_targets = targets.iter().zip(values).map(async |(target, value)| {
            let pair = zero_shot::shown(target).unwrap_or(shown);
            let passes = self.passes(passes, pair, &target.scalar);
            let of_pair = self.of_pair(pair, Some(target), Some(value));
            let one = std::slice::from_ref(target);
            let subject = of_pair.subject();
            let scored = steps::attributions(self.question, &passes, subject, one, follow).await?;
            let to = &self.pairs[shown];
            let scored = scored.into_iter().map(|one| remapped(one, &self.pairs[pair], to));
            Ok::<Vec<ScoredMethod>, Error>(scored.collect())
        });
        let mut all: Vec<ScoredMethod> = Vec::new();
        for of_target in try_join_all(of_targets).await? {
            match all.is_empty() {
                true => all = of_target,
                false => all.iter_mut().zip(of_target).for_each(|(all, own)| {
                    all.attributions.extend(own.attributions);
                    all.usage.add(own.usage);
                }),
            }
        }
        let none = || ScoredMethod { attributions: Vec::new(), usage: Usage::default() };
        all.resize_with(self.question.methods.len(), none);
        Ok(all)
    }

    async fn attention(
        &self,
        attention_selection: Option<&ResolvedSelection>,
        passes: &Passes,
        target: Option<&Resolved>,
        value: Option<&f64>,
        shown: usize,
    ) -> Result<Option<Attention>> {
        let Some(attention_selection) = attention_selection else { return Ok(None) };
        let maps = self.maps(attention_selection, passes, shown).await?;
        let passes = match target {
            Some(target) => self.passes(passes, shown, &target.scalar),
            None => passes.clone(),
        };
        let of_pair = self.of_pair(shown, target, value);
        attention::answer(Some(attention_selection), &passes, of_pair.subject(), target, maps).await
    }

    /// Returns the attention maps of the first pass over one pair.
    async fn maps(
        &self,
        attention_selection: &ResolvedSelection,
        passes: &Passes,
        pair: usize,
    ) -> Result<Vec<AttentionMap>> {
        let maps = attention_selection.first_pass_maps();
        if maps.layers.is_empty() {
            return Ok(Vec::new());
        }
        let want = Want::Values(Vec::new());
        let row = Row { maps, want, ..forward(&self.pairs[pair]) };
        Ok(passes.run_one(row).await?.attention)
    }

    /// Returns the views inside the model, and the place along each concept, of the first target:
    /// the sum over all pairs that it depends on. The place is that of the pair `shown`.
    async fn inside(
        &self,
        passes: &Passes,
        candidates: &Candidates,
        target: Option<&Resolved>,
        value: Option<&f64>,
        shown: usize,
    ) -> Result<(Option<Inside>, Vec<Located>)> {
        let of_pair = self.of_pair(shown, target, value);
        let jointly = target.map(|target| self.passes(passes, shown, &target.scalar));
        let parts: Vec<Part<'_>> =
            jointly.iter().map(|passes| Part::whole(passes, of_pair.subject())).collect();
        let lens = inside::lens(passes, self.pairs.iter().map(forward).collect(), |outputs| {
            Ok(Predicted::Labels(zero_shot::ranked(candidates, &self.outcome.of(&outputs))))
        });
        let whole = &self.pairs[shown];
        let views = inside::look(self.question, target, whole, &parts, lens).await?;
        Ok((views, inside::locate(self.question, target, &parts).await?))
    }

    async fn evaluation(
        &self,
        passes: &Passes,
        target: &Resolved,
        value: &f64,
        scored: &[ScoredMethod],
        output: &RowOutput,
    ) -> Result<Evaluation> {
        let pair = zero_shot::shown(target).unwrap_or_default();
        let passes = self.passes(passes, pair, &target.scalar);
        let of_pair = self.of_pair(pair, Some(target), Some(value));
        steps::evaluate(self.question, &passes, of_pair.subject(), scored, output).await
    }
}

/// Maps the scores of one pair's tokens to another pair. The text's scores are the same; those of
/// an unchanged hypothesis are 0.
fn remapped(mut scored: ScoredMethod, from: &Encoding, to: &Encoding) -> ScoredMethod {
    let remap = |Attribution { scores, deviations, .. }: &mut Attribution| {
        for list in std::iter::once(scores).chain(deviations) {
            list.truncate(from.tokens.len() - from.held);
            list.resize(to.tokens.len(), 0.);
        }
    };
    scored.attributions.iter_mut().for_each(remap);
    scored
}
