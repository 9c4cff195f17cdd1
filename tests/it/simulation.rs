//! Property test of the batcher and admission under random interleavings of events: requests are
//! admitted or rejected and run in rounds, callers disconnect or stop waiting for a round, workers
//! take, finish and fail passes, models are replaced, and the service drains. A run can be repeated
//! with its seed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use explaind::checkpoint::Source;
use explaind::engine::batcher::{Batch, Batcher, Failure, Lane, PassLimits, PassResult};
use explaind::engine::{Admission, Admitted, Demand};
use explaind::error::{Code, Error};
use explaind::model::{Model, Placement};
use explaind::passes::{Finished, Job};
use explaind::rows::{Row, RowOutput, Tokens};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::sync::oneshot;
use tracing::Span;

use crate::support::{cases, golden_folder, load, seeded};

const PASS_TOKENS: usize = 24;
const WORKERS: usize = 3;
/// Maximum tokens in flight.
const CAPACITY: usize = 2_000;
/// Two models serve at a time, each under an id; the others replace them on reload.
const MODELS: usize = 4;

/// The last worker runs the express lane.
fn lane(worker: usize) -> Lane {
    if worker + 1 == WORKERS { Lane::Express } else { Lane::Main }
}

#[derive(Debug, Clone)]
enum Step {
    /// A request with one job arrives. A row is its length, and whether passes with it fail.
    Arrive { key: bool, size: u32, id: usize, rows: Vec<(usize, bool)> },
    /// An admitted request submits another job.
    Submit { request: usize, id: usize, rows: Vec<(usize, bool)> },
    /// A request whose job has been answered submits the next one, like the rounds of evidence.
    NextRound { request: usize, id: usize, rows: Vec<(usize, bool)> },
    /// The caller of a job disconnects.
    Disconnect(usize),
    /// The time for a job is over. Its request goes on, like evidence that returns what it has.
    Stop(usize),
    /// A worker takes a pass if it is idle.
    Take(usize),
    /// A worker finishes its pass.
    Finish(usize),
    /// Another model replaces the one under this id.
    Reload(usize),
    /// No new requests are admitted from now on.
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = || vec((2..40_usize, prop::bool::weighted(0.05)), 1..30);
    let id = || 0..2_usize;
    let step = prop_oneof![
        30 => (any::<bool>(), 0..5_u32, id(), rows())
            .prop_map(|(key, size, id, rows)| Step::Arrive { key, size, id, rows }),
        10 => (0..20_usize, id(), rows())
            .prop_map(|(request, id, rows)| Step::Submit { request, id, rows }),
        10 => (0..20_usize, id(), rows())
            .prop_map(|(request, id, rows)| Step::NextRound { request, id, rows }),
        10 => (0..20_usize).prop_map(Step::Disconnect),
        5 => (0..20_usize).prop_map(Step::Stop),
        50 => (0..WORKERS).prop_map(Step::Take),
        40 => (0..WORKERS).prop_map(Step::Finish),
        5 => id().prop_map(Step::Reload),
        1 => Just(Step::Drain),
    ];
    vec(step, 1..120)
}

type Reply = oneshot::Receiver<explaind::error::Result<Finished>>;

/// The caller of a job.
struct Caller {
    rows: Vec<(usize, bool)>,
    model: Arc<Model>,
    /// `None` once it is not awaited any more.
    reply: Option<Reply>,
    /// Held by all jobs of a request; `None` once the caller has disconnected.
    admitted: Option<Arc<Admitted>>,
}

impl Caller {
    /// Checks that this is the answer to the job with this number.
    fn check(&self, job: usize, answer: explaind::error::Result<Finished>) {
        let fails = self.rows.iter().any(|(_, fails)| *fails);
        assert_eq!(answer.is_err(), fails, "job {job} of {:?}", self.rows);
        let Ok(finished) = answer else { return };
        let labels: Vec<Vec<f64>> = finished.outputs.into_iter().map(|o| o.logits).collect();
        let expected = |number| vec![job as f64, number as f64];
        assert_eq!(labels, (0..self.rows.len()).map(expected).collect::<Vec<_>>());
    }
}

/// The tokens of a row identify it: `[job, row, whether it fails, 0, …]`.
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

/// Outputs of a pass: the job and row numbers as logits, or an error if a row makes it fail.
fn outputs(batch: &Batch) -> PassResult {
    if batch.rows.iter().any(|row| row.tokens.input_ids[2] == 1) {
        return Err(Failure::Row(Error::internal("a failing row")));
    }
    let label = |row: &Row| row.tokens.input_ids[..2].iter().map(|&id| f64::from(id)).collect();
    let output = |row| RowOutput { logits: label(row), ..RowOutput::default() };
    Ok(batch.rows.iter().map(output).collect())
}

fn tokens(rows: &[(usize, bool)]) -> usize {
    rows.iter().map(|(length, _)| (*length).max(3)).sum()
}

struct World {
    batcher: Batcher,
    admission: Arc<Admission>,
    models: [Arc<Model>; MODELS],
    /// The index of the model that serves each id.
    serving: [usize; 2],
    draining: bool,
    callers: Vec<Caller>,
    /// The current pass of each worker.
    running: HashMap<usize, Batch>,
    passes: usize,
}

impl World {
    fn new(models: [Arc<Model>; MODELS]) -> Self {
        let limits = PassLimits {
            tokens: PASS_TOKENS,
            bytes: usize::MAX,
            workers: WORKERS,
            express: WORKERS,
        };
        Self {
            batcher: Batcher::new(limits),
            admission: Arc::new(Admission::new(CAPACITY, Duration::from_secs(86_400))),
            models,
            serving: [0, 1],
            draining: false,
            callers: Vec::new(),
            running: HashMap::new(),
            passes: 0,
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Arrive { .. } if self.draining => {}
            Step::Arrive { key, size, id, rows } => self.arrive(key, size, id, rows),
            Step::Submit { request, id, rows } => {
                let admitted = self.caller(request).and_then(|(_, caller)| caller.admitted.clone());
                if let Some(admitted) = admitted {
                    self.push(admitted, id, rows);
                }
            }
            Step::NextRound { request, id, rows } => {
                if let Some(admitted) = self.answered(request) {
                    self.push(admitted, id, rows);
                }
            }
            Step::Disconnect(job) => {
                if let Some((_, caller)) = self.caller(job) {
                    (caller.reply, caller.admitted) = (None, None);
                }
            }
            Step::Stop(job) => {
                if let Some((_, caller)) = self.caller(job) {
                    caller.reply = None;
                }
            }
            Step::Take(worker) if !self.running.contains_key(&worker) => {
                if let Some(batch) = self.batcher.next(Instant::now(), lane(worker)) {
                    self.check(&batch);
                    self.running.insert(worker, batch);
                }
            }
            Step::Finish(worker) => {
                if let Some(batch) = self.running.remove(&worker) {
                    self.finish(batch);
                }
            }
            Step::Take(_) => {}
            Step::Reload(id) => self.serving[id] = (self.serving[id] + 2) % MODELS,
            Step::Drain => self.draining = true,
        }
    }

    /// A caller and its job.
    fn caller(&mut self, index: usize) -> Option<(usize, &mut Caller)> {
        let job = index % self.callers.len().max(1);
        self.callers.get_mut(job).map(|caller| (job, caller))
    }

    /// Takes the answer of a caller, if there is one, and its admission.
    fn answered(&mut self, index: usize) -> Option<Arc<Admitted>> {
        let (job, caller) = self.caller(index)?;
        let answer = caller.reply.as_mut()?.try_recv().ok()?;
        caller.check(job, answer);
        caller.reply = None;
        caller.admitted.take()
    }

    /// Checks that the request is rejected only if it exceeds the capacity.
    fn arrive(&mut self, key: bool, size: u32, id: usize, rows: Vec<(usize, bool)>) {
        let demand = Demand {
            cost: tokens(&rows),
            time: Duration::from_millis(10_u64.pow(size)),
            work: 1,
            caller: if key { "a" } else { "b" }.into(),
        };
        let fits = self.admission.in_flight() + demand.cost <= CAPACITY;
        match self.admission.admit(demand) {
            Ok(admitted) => self.push(Arc::new(admitted), id, rows),
            Err(error) => assert!(!fits && error.code == Code::Overloaded, "{error:?}"),
        }
        assert!(self.admission.in_flight() <= CAPACITY);
    }

    fn push(&mut self, admitted: Arc<Admitted>, id: usize, rows: Vec<(usize, bool)>) {
        let (reply, answer) = oneshot::channel();
        let job = self.callers.len();
        let model = &self.models[self.serving[id]];
        self.batcher.push(Job {
            model: Arc::clone(model),
            rows: rows.iter().enumerate().map(|(number, of)| row(job, number, *of)).collect(),
            requester: Arc::clone(admitted.requester()),
            reply,
            queued: Instant::now(),
            span: Span::none(),
        });
        let (reply, admitted) = (Some(answer), Some(admitted));
        self.callers.push(Caller { rows, model: Arc::clone(model), reply, admitted });
    }

    /// Checks the invariants of a pass.
    fn check(&self, batch: &Batch) {
        assert!(!batch.rows.is_empty());
        assert!(batch.tokens() <= PASS_TOKENS || batch.rows.len() == 1);
        for row in &batch.rows {
            let caller = &self.callers[row.tokens.input_ids[0] as usize];
            assert!(caller.reply.is_some(), "a row that nobody waits for runs");
            assert!(Arc::ptr_eq(&caller.model, &batch.model), "a row runs on the wrong model");
        }
    }

    fn finish(&mut self, batch: Batch) {
        self.passes += 1;
        let result = outputs(&batch);
        self.batcher.finish(batch, result, Duration::from_micros(10));
    }

    /// Runs the workers until no work is left.
    fn drain(&mut self) {
        let mut remaining = 100_000;
        while !(self.batcher.is_empty() && self.running.is_empty()) {
            for worker in 0..WORKERS {
                self.apply(Step::Finish(worker));
                self.apply(Step::Take(worker));
            }
            remaining -= 1;
            assert!(remaining > 0, "the work does not end");
        }
    }

    /// Checks that every connected caller got its own outputs, and that all resources are released.
    fn check_end(mut self) {
        let mut max_passes = 0;
        for (job, caller) in self.callers.iter_mut().enumerate() {
            let failing = caller.rows.iter().filter(|(_, fails)| *fails).count();
            // Failed passes are halved until each failing row is alone.
            max_passes += caller.rows.len() + failing * 2 * PASS_TOKENS.ilog2() as usize * 2;
            let _admitted = caller.admitted.take();
            let Some(mut reply) = caller.reply.take() else { continue };
            caller.check(job, reply.try_recv().expect("every caller has an answer"));
        }
        assert!(self.passes <= max_passes, "{} passes, more than {max_passes}", self.passes);
        assert_eq!(self.admission.in_flight(), 0, "capacity is not released");
        self.callers.clear();
        // One reference here and one in the test.
        let leaked = |model: &Arc<Model>| Arc::strong_count(model) > 2;
        assert!(!self.models.iter().any(leaked), "the batcher keeps a model");
    }
}

#[test]
fn every_caller_gets_its_own_outputs_in_any_order_of_events() {
    let model = |_| load(Source::Directory(golden_folder("bert-tiny")), &Placement::default());
    let models: [Arc<Model>; MODELS] = std::array::from_fn(model);
    let runs = seeded(cases(500, 2_000)).run(&steps(), |steps| {
        let mut world = World::new(models.clone());
        steps.into_iter().for_each(|step| world.apply(step));
        world.drain();
        world.check_end();
        Ok(())
    });
    runs.unwrap();
}
