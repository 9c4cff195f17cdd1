//! What a question may cost, before it is let in and for those who ask.

use std::sync::Arc;
use std::time::Duration;

use super::{Checked, Reading};
use crate::attention::Wished;
use crate::attribution::{Cost, Extent};
use crate::engine::{Admission, Demand};
use crate::explanation::{Candidates, Question};
use crate::model::Model;
use crate::rows::Output;
use crate::tasks::{self, zero_shot};
use crate::text::Encoding;

/// What a question would take.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Of all inputs together.
    pub tokens: usize,
    /// In the order of the question's methods, each over all inputs and targets.
    pub methods: Vec<MethodEstimate>,
    /// First passes, attention and measures.
    pub other_rows: usize,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    /// Tokens × rows × layers, which admission counts; a row with gradients once.
    pub cost: usize,
    pub time: Duration,
    /// For the work of others that is in flight.
    pub queue: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MethodEstimate {
    pub name: &'static str,
    pub forward_rows: usize,
    pub gradient_rows: usize,
    pub time: Duration,
}

/// Tokens that a method passes forward through the model, or that take as long.
fn passed(model: &Model, tokens: usize, cost: Cost) -> usize {
    let rows = cost.gradient_rows.saturating_mul(2).saturating_add(cost.forward_rows);
    let flows = cost.flow_rows.saturating_mul(model.flow_load(tokens));
    tokens.saturating_mul(rows).saturating_add(flows)
}

fn forward(forward_rows: usize) -> Cost {
    Cost { forward_rows, ..Cost::default() }
}

/// One sequence that is put through the model.
struct Sequence<'a> {
    question: &'a Question,
    tokens: usize,
    /// The first row and those of attention.
    first_rows: usize,
    /// That methods explain of it together, and how often they do.
    scalars: usize,
    times: usize,
    /// Whether measures look at it.
    measured: bool,
}

impl Sequence<'_> {
    /// Rows of one method.
    fn method_rows(&self, number: usize) -> Cost {
        let (entry, options) = &self.question.methods[number];
        let extent = Extent::new(&self.question.model, self.tokens, self.scalars);
        let cost = (entry.cost)(options, extent);
        Cost {
            forward_rows: cost.forward_rows.saturating_mul(self.times),
            gradient_rows: cost.gradient_rows.saturating_mul(self.times),
            flow_rows: cost.flow_rows.saturating_mul(self.times),
        }
    }

    fn measure_rows(&self) -> usize {
        let Some(settings) = self.question.evaluate.as_ref().filter(|_| self.measured) else {
            return 0;
        };
        let of_method = |number| {
            let cost = self.method_rows(number);
            let flows = cost.flow_rows * self.question.model.flow_load(self.tokens);
            let rows = cost.forward_rows + cost.gradient_rows + flows.div_ceil(self.tokens);
            settings.cost(rows, self.tokens)
        };
        settings.reference_cost() + (0..self.question.methods.len()).map(of_method).sum::<usize>()
    }

    /// Rows beside the methods'.
    fn other_rows(&self) -> usize {
        self.first_rows + self.measure_rows()
    }
}

/// Every sequence that a question puts through the model.
fn sequences(read: &Checked) -> Vec<Sequence<'_>> {
    let (question, attention) = (&*read.question, read.wished.as_ref().map_or(0, Wished::rows));
    let plain = |encoding: &Encoding| Sequence {
        question,
        tokens: encoding.len(),
        first_rows: 1 + attention,
        scalars: tasks::most(question, encoding),
        times: 1,
        measured: true,
    };
    let of_reading = |reading: &Reading| match (&question.candidates, reading) {
        (Some(candidates), Reading::Candidates(pairs)) => in_pairs(read, candidates, pairs),
        _ => reading.encodings().into_iter().map(plain).collect(),
    };
    read.readings.iter().flatten().flat_map(of_reading).collect()
}

/// The pairs of one text. Which of them a target will be is not known: the longest.
fn in_pairs<'a>(
    read: &'a Checked,
    candidates: &Candidates,
    pairs: &[Encoding],
) -> Vec<Sequence<'a>> {
    let question = &*read.question;
    let needed = zero_shot::pairs(&question.target, question.output, candidates);
    let targets = zero_shot::most(&question.target, candidates);
    // Each target's own pair, or as many as each target is of.
    let times = |number: usize| match (needed == pairs.len(), targets == pairs.len()) {
        (true, _) => targets,
        (false, true) => 1,
        (false, false) => usize::from(number < needed),
    };
    let measured = zero_shot::pairs(&question.target, Output::Probability, candidates);
    let mut lengths: Vec<usize> = pairs.iter().map(Encoding::len).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    // Its attention is that of one pair, by a row of its own.
    let attention = read.wished.as_ref().map_or(0, |wished| 1 + wished.rows());
    let sequence = |(number, tokens): (usize, usize)| Sequence {
        question,
        tokens,
        first_rows: if number == 0 { 1 + attention } else { 1 },
        scalars: 1,
        times: times(number),
        measured: number < measured,
    };
    lengths.into_iter().enumerate().map(sequence).collect()
}

/// What the question may run. Methods that stop in time, and measures, run no more than
/// there is time for at the pace of recent passes.
pub fn demand(read: &Checked, admission: &Admission, limit: Duration) -> Demand {
    let question = &read.question;
    let (mut sure, mut stopping) = (Work::default(), Work::default());
    for sequence in sequences(read) {
        let (model, tokens) = (&question.model, sequence.tokens);
        sure.add(model, tokens, forward(sequence.first_rows));
        stopping.add(model, tokens, forward(sequence.measure_rows()));
        for (number, (entry, options)) in question.methods.iter().enumerate() {
            let cost = sequence.method_rows(number);
            let work = if (entry.stops_in_time)(options) { &mut stopping } else { &mut sure };
            work.add(model, tokens, cost);
        }
    }
    let time = |work: &Work| admission.time_for(&question.model, work.passed);
    let share = (limit.as_secs_f64() / time(&stopping).as_secs_f64()).min(1.);
    let passed = sure.passed.saturating_add((stopping.passed as f64 * share) as usize);
    let rows = sure.rows.saturating_add((stopping.rows as f64 * share) as usize);
    Demand {
        cost: rows.saturating_mul(question.model.layers()),
        time: time(&sure) + time(&stopping).min(limit),
        work: question.model.token_work().saturating_mul(passed as u64),
        caller: Arc::clone(&question.caller),
    }
}

/// Rows by their tokens.
#[derive(Default)]
struct Work {
    rows: usize,
    /// As often as each goes through the model: a backward pass is as much again.
    passed: usize,
}

impl Work {
    fn add(&mut self, model: &Model, tokens: usize, cost: Cost) {
        let rows = cost.forward_rows.saturating_add(cost.gradient_rows);
        self.rows = self.rows.saturating_add(tokens.saturating_mul(rows));
        self.passed = self.passed.saturating_add(passed(model, tokens, cost));
    }
}

/// The same for a reader, with the time that it should take at the pace of recent
/// passes of this model.
pub fn estimate(read: &Checked, admission: &Admission, limit: Duration) -> Estimate {
    let (question, sequences) = (&read.question, sequences(read));
    let time_for = |tokens: usize, cost: Cost| {
        admission.time_for(&question.model, passed(&question.model, tokens, cost))
    };
    let of_method = |number: usize| {
        let (mut sum, mut time) = (Cost::default(), Duration::ZERO);
        for sequence in &sequences {
            let cost = sequence.method_rows(number);
            sum.forward_rows += cost.forward_rows;
            sum.gradient_rows += cost.gradient_rows;
            time += time_for(sequence.tokens, cost);
        }
        MethodEstimate {
            name: question.methods[number].0.name,
            forward_rows: sum.forward_rows,
            gradient_rows: sum.gradient_rows,
            time,
        }
    };
    let methods: Vec<MethodEstimate> = (0..question.methods.len()).map(of_method).collect();
    let others: Vec<(usize, usize)> =
        sequences.iter().map(|sequence| (sequence.tokens, sequence.other_rows())).collect();
    let other_time: Duration =
        others.iter().map(|&(tokens, rows)| time_for(tokens, forward(rows))).sum();
    let other_rows = others.iter().map(|&(_, rows)| rows).sum();
    Estimate {
        tokens: sequences.iter().map(|sequence| sequence.tokens).sum(),
        forward_rows: other_rows + methods.iter().map(|method| method.forward_rows).sum::<usize>(),
        gradient_rows: methods.iter().map(|method| method.gradient_rows).sum(),
        time: methods.iter().map(|method| method.time).sum::<Duration>() + other_time,
        methods,
        other_rows,
        cost: demand(read, admission, limit).cost,
        queue: admission.queue_time(),
    }
}
