//! Estimates the cost of a question, for admission and for callers.

use std::sync::Arc;
use std::time::Duration;

use super::{Checked, TokenizedInput, first_pass};
use crate::attribution::{Cost, Extent, UnitPairs};
use crate::engine::{Admission, Demand};
use crate::explanation::{Candidates, Finder, Load, Question};
use crate::inside;
use crate::model::Model;
use crate::rows::Output;
use crate::tasks::{self, zero_shot};
use crate::text::Encoding;

#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Tokens of all inputs together.
    pub tokens: usize,
    /// Per method, in the question's order, over all inputs and targets.
    pub methods: Vec<MethodEstimate>,
    /// Per kind of evidence that is found in addition to the methods, over all inputs.
    pub evidence: Vec<MethodEstimate>,
    /// Rows of first passes, attention and measures.
    pub other_rows: usize,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    /// Tokens × rows × layers, as admission counts them; a row with gradients counts once.
    pub cost: usize,
    pub time: Duration,
    /// Expected wait for the work that is in flight.
    pub queue: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MethodEstimate {
    pub name: &'static str,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    pub time: Duration,
}

/// Returns a method's work, in tokens of forward passes that take as long.
fn load(model: &Model, tokens: usize, cost: Cost) -> usize {
    let rows = cost.gradient_rows.saturating_mul(2).saturating_add(whole_rows(model, cost));
    let flows = cost.flow_rows.saturating_mul(model.flow_load(tokens));
    tokens.saturating_mul(rows).saturating_add(flows).saturating_add(cost.map_load)
}

/// Returns a method's tokens × rows, where maps count as the rows that take as long.
fn room(model: &Model, tokens: usize, cost: Cost) -> usize {
    let rows = whole_rows(model, cost).saturating_add(cost.gradient_rows);
    tokens.saturating_mul(rows).saturating_add(cost.map_load)
}

/// Returns the forward rows, of which those through one layer count for their share.
fn whole_rows(model: &Model, cost: Cost) -> usize {
    cost.forward_rows.saturating_add(cost.layer_rows.div_ceil(model.layers().max(1)))
}

fn forward(forward_rows: usize) -> Cost {
    Cost { forward_rows, ..Cost::default() }
}

/// A sequence to run through the model.
struct Sequence<'a> {
    question: &'a Question,
    tokens: usize,
    pairs: UnitPairs,
    /// Forward rows of the first pass, and of attention with those through single layers.
    first: Cost,
    /// Number of scalars that a method explains together, and how often it runs.
    scalars: usize,
    times: usize,
    /// Whether measures run on it.
    measured: bool,
    /// The rows of the views inside the model, and of concepts.
    inside: Cost,
}

impl Sequence<'_> {
    /// Returns the rows of one method.
    fn method_rows(&self, method: usize) -> Cost {
        let (entry, options) = &self.question.methods[method];
        let extent = Extent::new(&self.question.model, self.tokens, self.pairs, self.scalars);
        let cost = (entry.cost)(options, extent);
        Cost {
            forward_rows: cost.forward_rows.saturating_mul(self.times),
            gradient_rows: cost.gradient_rows.saturating_mul(self.times),
            flow_rows: cost.flow_rows.saturating_mul(self.times),
            layer_rows: cost.layer_rows.saturating_mul(self.times),
            map_load: cost.map_load.saturating_mul(self.times),
        }
    }

    fn measure_rows(&self) -> usize {
        let Some(settings) = self.question.evaluate.as_ref().filter(|_| self.measured) else {
            return 0;
        };
        let of_method = |method| {
            let cost = self.method_rows(method);
            let flows = cost.flow_rows * self.question.model.flow_load(self.tokens);
            let besides = flows.saturating_add(cost.map_load).div_ceil(self.tokens);
            let rows = cost.forward_rows + cost.gradient_rows + besides;
            settings.cost(rows, self.tokens)
        };
        settings.reference_cost() + (0..self.question.methods.len()).map(of_method).sum::<usize>()
    }

    /// Returns the forward rows that belong to no method.
    fn other_rows(&self) -> Cost {
        let forward_rows = self.first.forward_rows + self.measure_rows();
        Cost { forward_rows, ..self.first }
    }
}

/// Returns every sequence that a question runs through the model.
fn sequences(checked: &Checked) -> Vec<Sequence<'_>> {
    let question = &*checked.question;
    let plain = |encoding: &Encoding| Sequence {
        question,
        tokens: encoding.len(),
        pairs: UnitPairs::of(encoding),
        first: with_attention(checked, encoding.len(), 1),
        scalars: tasks::most(question, encoding),
        times: 1,
        measured: true,
        inside: inside::cost(question, encoding.len()),
    };
    let of_input = |input: &TokenizedInput| match (&question.candidates, input) {
        (Some(candidates), TokenizedInput::Candidates(pairs)) => {
            in_pairs(checked, candidates, pairs, input.joint_tokens(question))
        }
        (_, TokenizedInput::Whole(encoding)) => {
            let shared = first_pass::gradient_row(question, encoding).is_some();
            let first = with_attention(checked, encoding.len(), usize::from(!shared));
            vec![Sequence { first, ..plain(encoding) }]
        }
        _ => input.encodings().into_iter().map(plain).collect(),
    };
    checked.tokenized.iter().flatten().flat_map(of_input).collect()
}

/// Returns the cost of this many rows, and of the attention.
fn with_attention(checked: &Checked, tokens: usize, rows: usize) -> Cost {
    let selection = checked.attention_selection.as_ref();
    let cost = selection.map(|selection| selection.cost(&checked.question.model, tokens));
    let cost = cost.unwrap_or_default();
    Cost { forward_rows: cost.forward_rows + rows, ..cost }
}

/// Returns the pairs of one text. Targets are unknown yet, so the longest pairs are assumed. Those
/// that a scalar depends on have `together` tokens.
fn in_pairs<'a>(
    checked: &'a Checked,
    candidates: &Candidates,
    pairs: &[Encoding],
    together: usize,
) -> Vec<Sequence<'a>> {
    let question = &*checked.question;
    let needed = zero_shot::pairs(&question.target, question.output, candidates);
    let targets = zero_shot::most(&question.target, candidates);
    // Targets need all pairs each, or every pair is its own target, or one target needs a few.
    let times = |index: usize| match (needed == pairs.len(), targets == pairs.len()) {
        (true, _) => targets,
        (false, true) => 1,
        (false, false) => usize::from(index < needed),
    };
    let measured = zero_shot::pairs(&question.target, Output::Probability, candidates);
    let mut lengths: Vec<usize> = pairs.iter().map(Encoding::len).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    // Attention is that of one pair, and takes an extra row.
    let of_attention = usize::from(checked.attention_selection.is_some());
    let sequence = |(index, tokens): (usize, usize)| Sequence {
        question,
        tokens,
        pairs: UnitPairs::at_most(tokens),
        first: match index {
            0 => with_attention(checked, tokens, 1 + of_attention),
            _ => forward(1),
        },
        scalars: 1,
        times: times(index),
        measured: index < measured,
        inside: match index < needed {
            true => inside::cost(question, together),
            false => inside::lens_cost(question),
        },
    };
    lengths.into_iter().enumerate().map(sequence).collect()
}

/// Returns the work that the question may run. Methods that stop in time, and measures, are limited
/// to what there is time for at the pace of recent passes.
pub fn demand(checked: &Checked, admission: &Admission, limit: Duration) -> Demand {
    let question = &checked.question;
    let (mut fixed, mut elastic) = (Work::default(), Work::default());
    for sequence in sequences(checked) {
        let (model, tokens) = (&question.model, sequence.tokens);
        fixed.add(model, tokens, sequence.first);
        fixed.add(model, tokens, sequence.inside);
        elastic.add(model, tokens, forward(sequence.measure_rows()));
        for (method, (entry, options)) in question.methods.iter().enumerate() {
            let cost = sequence.method_rows(method);
            let work = if (entry.stops_in_time)(options) { &mut elastic } else { &mut fixed };
            work.add(model, tokens, cost);
        }
    }
    let time = |work: &Work| admission.time_for(&question.model, work.load);
    let share = (limit.as_secs_f64() / time(&elastic).as_secs_f64()).min(1.);
    let load = fixed.load.saturating_add((elastic.load as f64 * share) as usize);
    let rows = fixed.rows.saturating_add((elastic.rows as f64 * share) as usize);
    let time = time(&fixed) + time(&elastic).min(limit);
    let loads: Vec<Load> = evidence(checked).into_iter().flat_map(|(_, loads)| loads).collect();
    let evidence = demand_of(&loads, Arc::clone(&question.caller), admission, limit);
    let work = question.model.token_work().saturating_mul(load as u64);
    Demand {
        cost: rows.saturating_mul(question.model.layers().max(1)).saturating_add(evidence.cost),
        // Both stop at the same time limit.
        time: (time + evidence.time).min(time.max(limit)),
        work: work.saturating_add(evidence.work),
        caller: evidence.caller,
    }
}

/// Returns the work of each kind of evidence over all inputs. Evidence is only found for whole
/// texts.
fn evidence(checked: &Checked) -> Vec<(&'static str, Vec<Load>)> {
    let question = &checked.question;
    let encodings = || checked.tokenized.iter().flatten().flat_map(TokenizedInput::encodings);
    let of_kind = |finder: &Arc<dyn Finder>| {
        let loads = encodings().flat_map(|encoding| finder.loads(&question.model, encoding));
        (finder.name(), loads.collect())
    };
    question.evidence.iter().map(of_kind).collect()
}

/// Work in tokens: each row counts all its tokens.
#[derive(Default)]
struct Work {
    rows: usize,
    /// In tokens of forward passes: a backward pass counts as another forward pass.
    load: usize,
}

impl Work {
    fn add(&mut self, model: &Model, tokens: usize, cost: Cost) {
        self.rows = self.rows.saturating_add(room(model, tokens, cost));
        self.load = self.load.saturating_add(load(model, tokens, cost));
    }
}

/// Estimates the cost of the question in detail, with times at the recent pace of this model.
pub fn estimate(checked: &Checked, admission: &Admission, limit: Duration) -> Estimate {
    let (question, sequences) = (&checked.question, sequences(checked));
    let time_for = |tokens: usize, cost: Cost| {
        admission.time_for(&question.model, load(&question.model, tokens, cost))
    };
    let of_method = |method: usize| {
        let (mut sum, mut time) = (Cost::default(), Duration::ZERO);
        for sequence in &sequences {
            let cost = sequence.method_rows(method);
            sum.forward_rows += cost.forward_rows;
            sum.gradient_rows += cost.gradient_rows;
            time += time_for(sequence.tokens, cost);
        }
        MethodEstimate {
            name: question.methods[method].0.name,
            forward_rows: sum.forward_rows,
            gradient_rows: sum.gradient_rows,
            time,
        }
    };
    let methods: Vec<MethodEstimate> = (0..question.methods.len()).map(of_method).collect();
    let others: Vec<(usize, Cost)> =
        sequences.iter().map(|sequence| (sequence.tokens, sequence.other_rows())).collect();
    let inside: Vec<(usize, Cost)> =
        sequences.iter().map(|sequence| (sequence.tokens, sequence.inside)).collect();
    let inside_rows =
        |of: fn(&Cost) -> usize| inside.iter().map(|(_, cost)| of(cost)).sum::<usize>();
    let inside_time: Duration = inside.iter().map(|&(tokens, cost)| time_for(tokens, cost)).sum();
    let other_time: Duration = others.iter().map(|&(tokens, cost)| time_for(tokens, cost)).sum();
    let other_rows = others.iter().map(|(_, cost)| cost.forward_rows + cost.layer_rows).sum();
    let of_kind = |(name, loads): (_, Vec<Load>)| of_loads(&loads, name, admission);
    let evidence: Vec<MethodEstimate> = evidence(checked).into_iter().map(of_kind).collect();
    let all = || methods.iter().chain(&evidence);
    Estimate {
        tokens: sequences.iter().map(|sequence| sequence.tokens).sum(),
        forward_rows: other_rows
            + inside_rows(|cost| cost.forward_rows)
            + all().map(|method| method.forward_rows).sum::<usize>(),
        gradient_rows: inside_rows(|cost| cost.gradient_rows)
            + all().map(|method| method.gradient_rows).sum::<usize>(),
        time: all().map(|method| method.time).sum::<Duration>() + other_time + inside_time,
        methods,
        evidence,
        other_rows,
        cost: demand(checked, admission, limit).cost,
        queue: admission.queue_time(),
    }
}

impl Load {
    /// As many tokens of forward passes as take as long.
    fn passed(&self) -> usize {
        load(&self.model, self.tokens, self.cost)
    }

    /// Tokens x rows x layers, which admission counts.
    fn room(&self) -> usize {
        room(&self.model, self.tokens, self.cost).saturating_mul(self.model.layers().max(1))
    }

    fn work(&self) -> u64 {
        self.model.token_work().saturating_mul(self.passed() as u64)
    }
}

/// What these ask for. All of them stop in time, so that they run no more than there is time
/// for at the pace of recent passes.
pub fn demand_of(
    loads: &[Load],
    caller: Arc<str>,
    admission: &Admission,
    limit: Duration,
) -> Demand {
    let time: Duration =
        loads.iter().map(|load| admission.time_for(&load.model, load.passed())).sum();
    let share = (limit.as_secs_f64() / time.as_secs_f64()).min(1.);
    let room = loads.iter().map(Load::room).fold(0, usize::saturating_add);
    let work = loads.iter().map(Load::work).fold(0, u64::saturating_add);
    Demand {
        cost: (room as f64 * share) as usize,
        time: time.min(limit),
        work: (work as f64 * share) as u64,
        caller,
    }
}

/// Returns the estimate for a client; its cost is the one that admission counts.
pub fn estimate_of(
    loads: &[Load],
    name: &'static str,
    tokens: usize,
    admission: &Admission,
    demand: &Demand,
) -> Estimate {
    let kind = of_loads(loads, name, admission);
    Estimate {
        tokens,
        other_rows: 0,
        forward_rows: kind.forward_rows,
        gradient_rows: kind.gradient_rows,
        cost: demand.cost,
        time: kind.time,
        queue: admission.queue_time(),
        methods: vec![kind],
        evidence: Vec::new(),
    }
}

fn of_loads(loads: &[Load], name: &'static str, admission: &Admission) -> MethodEstimate {
    let rows = |of: fn(&Cost) -> usize| {
        loads.iter().map(|load| of(&load.cost)).fold(0, usize::saturating_add)
    };
    MethodEstimate {
        name,
        forward_rows: rows(|cost| cost.forward_rows),
        gradient_rows: rows(|cost| cost.gradient_rows),
        time: loads.iter().map(|load| admission.time_for(&load.model, load.passed())).sum(),
    }
}
