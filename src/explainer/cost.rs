//! What a question may cost, before it is let in and for those who ask.

use std::sync::Arc;
use std::time::Duration;

use super::{Checked, Reading};
use crate::attention::Wished;
use crate::attribution::{Cost, Extent};
use crate::engine::{Admission, Demand};
use crate::error::Result;
use crate::explanation::Question;
use crate::model::Model;
use crate::tasks;
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

/// Rows of one method on one input.
fn method_rows(question: &Question, encoding: &Encoding, number: usize) -> Cost {
    let (entry, options) = &question.methods[number];
    let behaviour = tasks::of(question.model.task);
    let scalars = behaviour.most(&question.target, &question.model, encoding);
    (entry.cost)(options, Extent::new(&question.model, encoding.len(), scalars))
}

/// Tokens that a method passes forward through the model, or that take as long.
fn passed(model: &Model, tokens: usize, cost: Cost) -> usize {
    let rows = cost.gradient_rows.saturating_mul(2).saturating_add(cost.forward_rows);
    let flows = cost.flow_rows.saturating_mul(model.flow_load(tokens));
    tokens.saturating_mul(rows).saturating_add(flows)
}

/// The first row and those of attention.
fn first_rows(wished: Option<&Wished>) -> usize {
    1 + wished.map_or(0, Wished::rows)
}

fn measure_rows(question: &Question, encoding: &Encoding) -> usize {
    question.evaluate.as_ref().map_or(0, |settings| {
        let of_method = |number| {
            let cost = method_rows(question, encoding, number);
            let flows = cost.flow_rows * question.model.flow_load(encoding.len());
            let rows = cost.forward_rows + cost.gradient_rows + flows.div_ceil(encoding.len());
            settings.cost(rows, encoding.len())
        };
        settings.reference_cost() + (0..question.methods.len()).map(of_method).sum::<usize>()
    })
}

/// Every encoding that is put through the model.
fn encodings(readings: &[Result<Reading>]) -> impl Iterator<Item = &Encoding> {
    readings.iter().flatten().flat_map(Reading::encodings)
}

/// What the question may run. Methods that stop in time, and measures, run no more than
/// there is time for at the pace of recent passes.
pub fn demand(read: &Checked, admission: &Admission, limit: Duration) -> Demand {
    let Checked { question, readings, wished } = read;
    let (mut sure, mut stopping) = (Work::default(), Work::default());
    for encoding in encodings(readings) {
        let tokens = encoding.len();
        let forward = |forward_rows| Cost { forward_rows, ..Cost::default() };
        sure.add(&question.model, tokens, forward(first_rows(wished.as_ref())));
        stopping.add(&question.model, tokens, forward(measure_rows(question, encoding)));
        for (number, (entry, options)) in question.methods.iter().enumerate() {
            let cost = method_rows(question, encoding, number);
            let work = if (entry.stops_in_time)(options) { &mut stopping } else { &mut sure };
            work.add(&question.model, tokens, cost);
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
    let Checked { question, readings, wished } = read;
    let other_rows = |encoding| first_rows(wished.as_ref()) + measure_rows(question, encoding);
    let time_for = |tokens: usize, cost: Cost| {
        admission.time_for(&question.model, passed(&question.model, tokens, cost))
    };
    let of_method = |number: usize| {
        let (mut sum, mut time) = (Cost::default(), Duration::ZERO);
        for encoding in encodings(readings) {
            let cost = method_rows(question, encoding, number);
            sum.forward_rows += cost.forward_rows;
            sum.gradient_rows += cost.gradient_rows;
            time += time_for(encoding.len(), cost);
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
        encodings(readings).map(|encoding| (encoding.len(), other_rows(encoding))).collect();
    let other_time: Duration = others
        .iter()
        .map(|&(tokens, rows)| time_for(tokens, Cost { forward_rows: rows, ..Cost::default() }))
        .sum();
    let other_rows = others.iter().map(|&(_, rows)| rows).sum();
    Estimate {
        tokens: encodings(readings).map(Encoding::len).sum(),
        forward_rows: other_rows + methods.iter().map(|method| method.forward_rows).sum::<usize>(),
        gradient_rows: methods.iter().map(|method| method.gradient_rows).sum(),
        time: methods.iter().map(|method| method.time).sum::<Duration>() + other_time,
        methods,
        other_rows,
        cost: demand(read, admission, limit).cost,
        queue: admission.queue_time(),
    }
}
