//! Whether what admission predicts holds when requests come at any time, of any size and
//! by any key: nothing that was let in is much too late. It is a little late at times: what
//! is large, and so which lane a request is in, changes as others come and go. The clock is
//! the work that was done.

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

/// Tokens that all cores do in a second.
const RATE: f64 = 200.;

/// What a request has.
const TIME: Duration = Duration::from_secs(60);

/// What it may take.
const MOST: Duration = Duration::from_secs(75);

/// A request: seconds after the one before, its key, its rows' length and number.
type Coming = (f64, bool, usize, usize);

fn comings() -> impl Strategy<Value = Vec<Coming>> {
    vec((0. ..4_f64, any::<bool>(), 4..20_usize, 1..200_usize), 1..40)
}

/// A request that was let in.
struct InFlight {
    since: f64,
    answer: oneshot::Receiver<Result<Finished>>,
    _room: Admitted,
}

struct World {
    model: Arc<Model>,
    batcher: Batcher,
    admission: Arc<Admission>,
    in_flight: Vec<InFlight>,
    now: f64,
    clock: Runtime,
    refused: usize,
}

impl World {
    fn come(&mut self, (_, key, length, count): Coming) {
        let demand = Demand {
            cost: length * count,
            time: Duration::from_secs_f64((length * count) as f64 / RATE),
            work: (length * count) as u64 * self.model.token_work(),
            caller: if key { "a" } else { "b" }.into(),
        };
        let Ok(room) = self.admission.admit(demand) else { return self.refused += 1 };
        let ids = Arc::new(Tokens {
            input_ids: vec![7; length],
            token_type_ids: vec![0; length],
            position_ids: (0..length as u32).collect(),
        });
        let (reply, answer) = oneshot::channel();
        self.batcher.push(Job {
            model: Arc::clone(&self.model),
            rows: vec![Row::forward(ids, [].into()); count],
            requester: Arc::clone(room.requester()),
            reply,
            queued: Instant::now(),
            span: Span::none(),
        });
        self.in_flight.push(InFlight { since: self.now, answer, _room: room });
    }

    /// Moves the clock on, admission's too.
    fn advance(&mut self, seconds: f64) {
        self.now += seconds;
        self.clock.block_on(tokio::time::advance(Duration::from_secs_f64(seconds)));
    }

    /// A pass of each lane that has one: where both have, they get the same of the cores.
    fn work(&mut self) -> bool {
        let mut any = false;
        for lane in [Lane::Main, Lane::Express] {
            let Some(batch) = self.batcher.next(Instant::now(), lane) else { continue };
            any = true;
            self.advance(batch.tokens() as f64 / RATE);
            let outputs = batch.rows.iter().map(|_| RowOutput::default()).collect();
            self.batcher.finish(batch, Ok(outputs), Duration::from_millis(1));
            let (now, most) = (self.now, MOST.as_secs_f64());
            self.in_flight.retain_mut(|request| {
                let took = now - request.since;
                assert!(took <= most, "{took} s of {most}");
                request.answer.try_recv().is_err()
            });
        }
        any
    }
}

#[test]
fn nothing_that_was_let_in_is_much_too_late() {
    let model = load(Source::Directory(golden_folder("bert-tiny")), &Placement::default());
    let refused = std::cell::Cell::new(0);
    let runs = seeded(cases(100, 2_000)).run(&comings(), |comings| {
        let limits = PassLimits { tokens: 64, bytes: usize::MAX, workers: 1 };
        let mut world = World {
            model: Arc::clone(&model),
            batcher: Batcher::new(limits),
            admission: Arc::new(Admission::new(usize::MAX / 2, TIME)),
            in_flight: Vec::new(),
            now: 0.,
            clock: Builder::new_current_thread().enable_time().start_paused(true).build().unwrap(),
            refused: 0,
        };
        let handle = world.clock.handle().clone();
        let _in_it = handle.enter();
        let mut due = 0.;
        for coming in comings {
            due += coming.0;
            while world.now < due && world.work() {}
            world.advance((due - world.now).max(0.));
            world.come(coming);
        }
        while world.work() {}
        assert!(world.in_flight.is_empty());
        refused.set(refused.get() + world.refused);
        Ok(())
    });
    runs.unwrap();
    assert!(refused.get() > 0, "there was more than could be done");
}
