//! The batcher under any order of events: jobs that come, callers that leave, passes
//! that workers take, end and fail, interleaved as proptest likes. Each run can be
//! had again from its seed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use explaind::checkpoint::Source;
use explaind::engine::batcher::{Batch, Batcher, Lane, PassLimits};
use explaind::error::Error;
use explaind::model::{Model, Placement};
use explaind::passes::{Finished, Job, Requester};
use explaind::rows::{Row, RowOutput, Tokens};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::sync::oneshot;
use tracing::Span;

use crate::support::{cases, golden_folder, load};

const PASS_TOKENS: usize = 24;
const WORKERS: usize = 3;
/// Of two keys, and of different sizes.
const REQUESTS: usize = 5;

/// The last worker is of the express lane.
fn lane(worker: usize) -> Lane {
    if worker + 1 == WORKERS { Lane::Express } else { Lane::Main }
}

/// What can happen.
#[derive(Debug, Clone)]
enum Step {
    /// A job of a request comes; a row is its length, and whether passes with it fail.
    Come { request: usize, model: usize, rows: Vec<(usize, bool)> },
    /// The caller of one of the jobs leaves.
    Leave(usize),
    /// A worker takes a pass, if it has none.
    Take(usize),
    /// A worker's pass ends.
    End(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (2..40_usize, prop::bool::weighted(0.05));
    let step = prop_oneof![
        3 => (0..REQUESTS, 0..2_usize, vec(row, 1..30))
            .prop_map(|(request, model, rows)| Step::Come { request, model, rows }),
        1 => (0..20_usize).prop_map(Step::Leave),
        5 => (0..WORKERS).prop_map(Step::Take),
        4 => (0..WORKERS).prop_map(Step::End),
    ];
    vec(step, 1..120)
}

type Reply = oneshot::Receiver<explaind::error::Result<Finished>>;

/// A job as its caller knows it.
struct Caller {
    rows: Vec<(usize, bool)>,
    reply: Option<Reply>,
}

/// Rows know whose they are by their tokens: `[job, row, whether it fails, 0, …]`.
fn row(job: usize, number: usize, (length, fails): (usize, bool)) -> Row {
    let mut input_ids = vec![0; length.max(3)];
    input_ids[..3].copy_from_slice(&[job as u32, number as u32, u32::from(fails)]);
    let tokens = Tokens {
        token_type_ids: vec![0; input_ids.len()],
        position_ids: (0..input_ids.len() as u32).collect(),
        input_ids,
    };
    Row::forward(Arc::new(tokens), [].into())
}

/// What a pass gives: each row's own name, unless one of them makes it fail.
fn outputs(batch: &Batch) -> Result<Vec<RowOutput>, Error> {
    if batch.rows.iter().any(|row| row.tokens.input_ids[2] == 1) {
        return Err(Error::internal("as the step says"));
    }
    let name = |row: &Row| row.tokens.input_ids[..2].iter().map(|&id| f64::from(id)).collect();
    let output = |row| RowOutput { logits: name(row), ..RowOutput::default() };
    Ok(batch.rows.iter().map(output).collect())
}

struct World {
    batcher: Batcher,
    models: [Arc<Model>; 2],
    requests: [Arc<Requester>; REQUESTS],
    callers: Vec<Caller>,
    /// The pass that each worker is in.
    running: HashMap<usize, Batch>,
    passes: usize,
}

impl World {
    fn new(models: [Arc<Model>; 2]) -> Self {
        let limits = PassLimits { tokens: PASS_TOKENS, bytes: usize::MAX, workers: WORKERS };
        Self {
            batcher: Batcher::new(limits),
            models,
            requests: std::array::from_fn(|i| {
                let expected = Duration::from_millis(10u64.pow(i as u32));
                Arc::new(Requester::new(["a", "b"][i % 2].into(), expected, 1))
            }),
            callers: Vec::new(),
            running: HashMap::new(),
            passes: 0,
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Come { request, model, rows } => self.come(request, model, rows),
            Step::Leave(job) => {
                let count = self.callers.len().max(1);
                if let Some(caller) = self.callers.get_mut(job % count) {
                    caller.reply = None;
                }
            }
            Step::Take(worker) if !self.running.contains_key(&worker) => {
                if let Some(batch) = self.batcher.next(Instant::now(), lane(worker)) {
                    self.check(&batch);
                    self.running.insert(worker, batch);
                }
            }
            Step::End(worker) => {
                if let Some(batch) = self.running.remove(&worker) {
                    self.end(batch);
                }
            }
            Step::Take(_) => {}
        }
    }

    fn come(&mut self, request: usize, model: usize, rows: Vec<(usize, bool)>) {
        let (reply, answer) = oneshot::channel();
        let job = self.callers.len();
        self.batcher.push(Job {
            model: Arc::clone(&self.models[model]),
            rows: rows.iter().enumerate().map(|(number, of)| row(job, number, *of)).collect(),
            requester: Arc::clone(&self.requests[request]),
            reply,
            queued: Instant::now(),
            span: Span::none(),
        });
        self.callers.push(Caller { rows, reply: Some(answer) });
    }

    /// What holds of every pass as it begins.
    fn check(&self, batch: &Batch) {
        assert!(!batch.rows.is_empty());
        assert!(batch.tokens() <= PASS_TOKENS || batch.rows.len() == 1);
        for row in &batch.rows {
            let caller = &self.callers[row.tokens.input_ids[0] as usize];
            assert!(caller.reply.is_some(), "a row runs that nobody waits for");
        }
    }

    fn end(&mut self, batch: Batch) {
        self.passes += 1;
        let result = outputs(&batch);
        self.batcher.finish(batch, result, Duration::from_micros(10));
    }

    /// Lets the workers end what there is.
    fn finish(&mut self) {
        let mut left = 100_000;
        while !(self.batcher.is_empty() && self.running.is_empty()) {
            for worker in 0..WORKERS {
                self.apply(Step::End(worker));
                self.apply(Step::Take(worker));
            }
            left -= 1;
            assert!(left > 0, "it never ends");
        }
    }

    /// Every caller that stayed has its own answer.
    fn judge(&mut self) {
        let mut most = 0;
        for (job, caller) in self.callers.iter_mut().enumerate() {
            let failing = caller.rows.iter().filter(|(_, fails)| *fails).count();
            // Each failing row is alone after as many halvings.
            most += caller.rows.len() + failing * 2 * PASS_TOKENS.ilog2() as usize * 2;
            let Some(mut reply) = caller.reply.take() else { continue };
            let answer = reply.try_recv().expect("an answer for everyone");
            assert_eq!(answer.is_err(), failing > 0, "job {job} of {:?}", caller.rows);
            let Ok(finished) = answer else { continue };
            let names: Vec<Vec<f64>> = finished.outputs.into_iter().map(|o| o.logits).collect();
            let own = |number| vec![job as f64, number as f64];
            assert_eq!(names, (0..caller.rows.len()).map(own).collect::<Vec<_>>());
        }
        assert!(self.passes <= most, "{} passes where {most} are plenty", self.passes);
    }
}

#[test]
fn nothing_is_lost_swapped_or_spoilt_whatever_the_order() {
    let model = || load(Source::Directory(golden_folder("bert-tiny")), &Placement::default());
    let models = [model(), model()];
    let config = ProptestConfig {
        cases: cases(500, 2_000),
        failure_persistence: None,
        ..Default::default()
    };
    proptest!(config, |(steps in steps())| {
        let mut world = World::new(models.clone());
        steps.into_iter().for_each(|step| world.apply(step));
        world.finish();
        world.judge();
    });
}
