//! The batcher and admission under any order of events: requests that come and are let in
//! or not, callers that leave, passes that workers take, end and fail, models that others
//! take the place of, and the end of it all, interleaved as proptest likes. Each run can be
//! had again from its seed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use explaind::checkpoint::Source;
use explaind::engine::batcher::{Batch, Batcher, Lane, PassLimits};
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
/// Tokens that are let in at once.
const CAPACITY: usize = 2_000;
/// Of them two serve, each under an id; the others are what they are reloaded as.
const MODELS: usize = 4;

/// The last worker is of the express lane.
fn lane(worker: usize) -> Lane {
    if worker + 1 == WORKERS { Lane::Express } else { Lane::Main }
}

/// What can happen.
#[derive(Debug, Clone)]
enum Step {
    /// A request of one job comes; a row is its length, and whether passes with it fail.
    Come { key: bool, size: u32, id: usize, rows: Vec<(usize, bool)> },
    /// One that was let in has another job.
    More { request: usize, id: usize, rows: Vec<(usize, bool)> },
    /// The caller of one of the jobs leaves.
    Leave(usize),
    /// A worker takes a pass, if it has none.
    Take(usize),
    /// A worker's pass ends.
    End(usize),
    /// Another model takes over an id.
    Reload(usize),
    /// Nobody new is let in from now on.
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = || vec((2..40_usize, prop::bool::weighted(0.05)), 1..30);
    let id = || 0..2_usize;
    let step = prop_oneof![
        30 => (any::<bool>(), 0..5_u32, id(), rows())
            .prop_map(|(key, size, id, rows)| Step::Come { key, size, id, rows }),
        10 => (0..20_usize, id(), rows())
            .prop_map(|(request, id, rows)| Step::More { request, id, rows }),
        10 => (0..20_usize).prop_map(Step::Leave),
        50 => (0..WORKERS).prop_map(Step::Take),
        40 => (0..WORKERS).prop_map(Step::End),
        5 => id().prop_map(Step::Reload),
        1 => Just(Step::Drain),
    ];
    vec(step, 1..120)
}

type Reply = oneshot::Receiver<explaind::error::Result<Finished>>;

/// A job as its caller knows it.
struct Caller {
    rows: Vec<(usize, bool)>,
    model: Arc<Model>,
    waiting: Option<(Reply, Arc<Admitted>)>,
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

fn tokens(rows: &[(usize, bool)]) -> usize {
    rows.iter().map(|(length, _)| (*length).max(3)).sum()
}

struct World {
    batcher: Batcher,
    admission: Arc<Admission>,
    models: [Arc<Model>; MODELS],
    /// Which of them answers to each id.
    serving: [usize; 2],
    draining: bool,
    callers: Vec<Caller>,
    /// The pass that each worker is in.
    running: HashMap<usize, Batch>,
    passes: usize,
}

impl World {
    fn new(models: [Arc<Model>; MODELS]) -> Self {
        let limits = PassLimits { tokens: PASS_TOKENS, bytes: usize::MAX, workers: WORKERS };
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
            Step::Come { .. } if self.draining => {}
            Step::Come { key, size, id, rows } => self.come(key, size, id, rows),
            Step::More { request, id, rows } => {
                let count = self.callers.len().max(1);
                let caller = self.callers.get(request % count);
                let room = caller.and_then(|caller| caller.waiting.as_ref());
                if let Some(room) = room.map(|(_, room)| Arc::clone(room)) {
                    self.push(room, id, rows);
                }
            }
            Step::Leave(job) => {
                let count = self.callers.len().max(1);
                if let Some(caller) = self.callers.get_mut(job % count) {
                    caller.waiting = None;
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
            Step::Reload(id) => self.serving[id] = (self.serving[id] + 2) % MODELS,
            Step::Drain => self.draining = true,
        }
    }

    /// It is let in if there is room, and only then.
    fn come(&mut self, key: bool, size: u32, id: usize, rows: Vec<(usize, bool)>) {
        let demand = Demand {
            cost: tokens(&rows),
            time: Duration::from_millis(10_u64.pow(size)),
            work: 1,
            caller: if key { "a" } else { "b" }.into(),
        };
        let fits = self.admission.in_flight() + demand.cost <= CAPACITY;
        match self.admission.admit(demand) {
            Ok(room) => self.push(Arc::new(room), id, rows),
            Err(error) => assert!(!fits && error.code == Code::Overloaded, "{error:?}"),
        }
        assert!(self.admission.in_flight() <= CAPACITY);
    }

    fn push(&mut self, room: Arc<Admitted>, id: usize, rows: Vec<(usize, bool)>) {
        let (reply, answer) = oneshot::channel();
        let job = self.callers.len();
        let model = &self.models[self.serving[id]];
        self.batcher.push(Job {
            model: Arc::clone(model),
            rows: rows.iter().enumerate().map(|(number, of)| row(job, number, *of)).collect(),
            requester: Arc::clone(room.requester()),
            reply,
            queued: Instant::now(),
            span: Span::none(),
        });
        let waiting = Some((answer, room));
        self.callers.push(Caller { rows, model: Arc::clone(model), waiting });
    }

    /// What holds of every pass as it begins.
    fn check(&self, batch: &Batch) {
        assert!(!batch.rows.is_empty());
        assert!(batch.tokens() <= PASS_TOKENS || batch.rows.len() == 1);
        for row in &batch.rows {
            let caller = &self.callers[row.tokens.input_ids[0] as usize];
            assert!(caller.waiting.is_some(), "a row runs that nobody waits for");
            assert!(Arc::ptr_eq(&caller.model, &batch.model), "a row runs through another model");
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

    /// Every caller that stayed has its own answer; nothing is held for anyone any more.
    fn judge(mut self) {
        let mut most = 0;
        for (job, caller) in self.callers.iter_mut().enumerate() {
            let failing = caller.rows.iter().filter(|(_, fails)| *fails).count();
            // Each failing row is alone after as many halvings.
            most += caller.rows.len() + failing * 2 * PASS_TOKENS.ilog2() as usize * 2;
            let Some((mut reply, _room)) = caller.waiting.take() else { continue };
            let answer = reply.try_recv().expect("an answer for everyone");
            assert_eq!(answer.is_err(), failing > 0, "job {job} of {:?}", caller.rows);
            let Ok(finished) = answer else { continue };
            let names: Vec<Vec<f64>> = finished.outputs.into_iter().map(|o| o.logits).collect();
            let own = |number| vec![job as f64, number as f64];
            assert_eq!(names, (0..caller.rows.len()).map(own).collect::<Vec<_>>());
        }
        assert!(self.passes <= most, "{} passes where {most} are plenty", self.passes);
        assert_eq!(self.admission.in_flight(), 0, "room that nobody has");
        self.callers.clear();
        // Ours, and that of the test.
        let held = |model: &Arc<Model>| Arc::strong_count(model) > 2;
        assert!(!self.models.iter().any(held), "the batcher keeps a model");
    }
}

#[test]
fn nothing_is_lost_swapped_or_spoilt_whatever_the_order() {
    let model = |_| load(Source::Directory(golden_folder("bert-tiny")), &Placement::default());
    let models: [Arc<Model>; MODELS] = std::array::from_fn(model);
    let runs = seeded(cases(500, 2_000)).run(&steps(), |steps| {
        let mut world = World::new(models.clone());
        steps.into_iter().for_each(|step| world.apply(step));
        world.finish();
        world.judge();
        Ok(())
    });
    runs.unwrap();
}
