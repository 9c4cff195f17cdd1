//! Property test of admission: admitted requests finish in time, whatever the sizes, keys and arrival
//! times. One in thousands is slightly late, because what counts as large, and so the lane of a
//! request, changes as others arrive and finish. Time is simulated from the work done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use explaind::checkpoint::Source;
use explaind::engine::batcher::{Batcher, Lane, PassLimits};
use explaind::engine::{Admission, Admitted, Demand};
use explaind::error::Result;
use explaind::model::{Model, Placement};
use explaind::passes::{Finished, Job};
use explaind::rows::{Row, RowOutput, Tokens};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tracing::Span;

use crate::support::{cases, golden_folder, load, seeded};

/// Tokens per second on all cores.
const RATE: f64 = 200.;

/// The time limit of a request.
const TIME: Duration = Duration::from_secs(60);

/// The tolerated time of a request.
const MAX_TIME: Duration = Duration::from_secs(75);

/// A request: seconds after the previous one, its key, the length of its rows and their number.
type Arrival = (f64, bool, usize, usize);

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    vec((0. ..4_f64, any::<bool>(), 4..20_usize, 1..200_usize), 1..40)
}

/// An admitted request.
struct InFlight {
    since: f64,
    answer: oneshot::Receiver<Result<Finished>>,
    _admitted: Admitted,
}

struct World {
    model: Arc<Model>,
    batcher: Batcher,
    admission: Arc<Admission>,
    in_flight: Vec<InFlight>,
    now: f64,
    clock: Runtime,
    rejected: usize,
    answered: usize,
    /// Those that took longer than their time limit.
    late: usize,
}

impl World {
    fn arrive(&mut self, (_, key, length, count): Arrival) {
        let demand = Demand {
            cost: length * count,
            time: Duration::from_secs_f64((length * count) as f64 / RATE),
            work: (length * count) as u64 * self.model.token_work(),
            caller: if key { "a" } else { "b" }.into(),
        };
        let Ok(admitted) = self.admission.admit(demand) else { return self.rejected += 1 };
        let ids = Arc::new(Tokens {
            input_ids: vec![7; length],
            token_type_ids: vec![0; length],
            position_ids: (0..length as u32).collect(),
        });
        let (reply, answer) = oneshot::channel();
        self.batcher.push(Job {
            model: Arc::clone(&self.model),
            rows: vec![Row::forward(ids, [].into()); count],
            requester: Arc::clone(admitted.requester()),
            reply,
            queued: Instant::now(),
            span: Span::none(),
        });
        self.in_flight.push(InFlight { since: self.now, answer, _admitted: admitted });
    }

    /// Advances the clock, and that of admission.
    fn advance(&mut self, seconds: f64) {
        self.now += seconds;
        self.clock.block_on(tokio::time::advance(Duration::from_secs_f64(seconds)));
    }

    /// Runs one pass per lane with work; two lanes share the cores equally. Returns false if idle.
    fn work(&mut self) -> bool {
        let mut worked = false;
        for lane in [Lane::Main, Lane::Express] {
            let Some(batch) = self.batcher.next(Instant::now(), lane) else { continue };
            worked = true;
            self.advance(batch.tokens() as f64 / RATE);
            let outputs = batch.rows.iter().map(|_| RowOutput::default()).collect();
            self.batcher.finish(batch, Ok(outputs), Duration::from_millis(1));
            let (now, max) = (self.now, MAX_TIME.as_secs_f64());
            self.in_flight.retain_mut(|request| {
                let elapsed = now - request.since;
                assert!(elapsed <= max, "{elapsed} s of {max}");
                let answered = request.answer.try_recv().is_ok();
                self.answered += usize::from(answered);
                self.late += usize::from(answered && elapsed > TIME.as_secs_f64());
                !answered
            });
        }
        worked
    }
}

#[test]
fn admitted_requests_finish_in_time() {
    let model = load(Source::Directory(golden_folder("bert-tiny")), &Placement::default());
    let rejected = std::cell::Cell::new(0);
    let counts = std::cell::Cell::new((0, 0));
    let runs = seeded(cases(100, 2_000)).run(&arrivals(), |arrivals| {
        let limits = PassLimits { tokens: 64, bytes: usize::MAX, workers: 1, express: 1 };
        let mut world = World {
            model: Arc::clone(&model),
            batcher: Batcher::new(limits),
            admission: Arc::new(Admission::new(usize::MAX / 2, TIME)),
            in_flight: Vec::new(),
            now: 0.,
            clock: Builder::new_current_thread().enable_time().start_paused(true).build().unwrap(),
            rejected: 0,
            answered: 0,
            late: 0,
        };
        let handle = world.clock.handle().clone();
        let _context = handle.enter();
        let mut due = 0.;
        for arrival in arrivals {
            due += arrival.0;
            while world.now < due && world.work() {}
            world.advance((due - world.now).max(0.));
            world.arrive(arrival);
        }
        while world.work() {}
        assert!(world.in_flight.is_empty());
        rejected.set(rejected.get() + world.rejected);
        let (answered, late) = counts.get();
        counts.set((answered + world.answered, late + world.late));
        Ok(())
    });
    runs.unwrap();
    assert!(rejected.get() > 0, "the load never exceeded the capacity");
    let (answered, late) = counts.get();
    println!("{late} of {answered} admitted requests were late");
    assert!(late * 200 <= answered, "{late} of {answered}");
}
