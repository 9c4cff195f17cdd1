//! The batcher: scheduling, pass limits, disconnected callers and failures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use explaind::checkpoint::Source;
use explaind::engine::batcher::{Batch, Batcher, Failure, Lane, PassLimits};
use explaind::error::{Code, Error, Result};
use explaind::model::{Model, Placement};
use explaind::passes::{Finished, Job, Requester};
use explaind::rows::{Row, Tokens};
use tokio::sync::oneshot;
use tracing::Span;

use crate::support::{golden_folder, load};

fn model() -> Arc<Model> {
    load(Source::Directory(golden_folder("bert-tiny")), &Placement::default())
}

fn row(tokens: usize) -> Row {
    let ids = Tokens {
        input_ids: vec![7; tokens],
        token_type_ids: vec![0; tokens],
        position_ids: (0..tokens as u32).collect(),
    };
    Row::forward(Arc::new(ids), [].into())
}

type Reply = oneshot::Receiver<Result<Finished>>;

/// Pushes a job of a separate request with the key `a` and an expected time of one second.
fn push(batcher: &mut Batcher, model: &Arc<Model>, rows: &[usize]) -> Reply {
    push_for(batcher, model, rows, &requester("a", 1))
}

fn requester(key: &str, seconds: u64) -> Arc<Requester> {
    Arc::new(Requester::new(key.into(), Duration::from_secs(seconds), 1))
}

fn push_for(
    batcher: &mut Batcher,
    model: &Arc<Model>,
    rows: &[usize],
    requester: &Arc<Requester>,
) -> Reply {
    let (reply, answer) = oneshot::channel();
    let rows = rows.iter().map(|&tokens| row(tokens)).collect();
    batcher.push(Job {
        model: Arc::clone(model),
        rows,
        requester: Arc::clone(requester),
        reply,
        queued: Instant::now(),
        span: Span::none(),
    });
    answer
}

fn batcher(tokens: usize) -> Batcher {
    Batcher::new(PassLimits { tokens, bytes: 1 << 30, workers: 1, express: 1 })
}

/// Runs a pass and returns the lengths of its rows.
fn run_batch(batcher: &mut Batcher, batch: Option<Batch>) -> Vec<usize> {
    let Some(batch) = batch else { return Vec::new() };
    let lengths = batch.rows.iter().map(|row| row.tokens.len()).collect();
    let result = batch.model.run(&batch.rows).map_err(|e| Failure::Row(Error::internal(e)));
    batcher.finish(batch, result, Duration::from_millis(10));
    lengths
}

fn run(batcher: &mut Batcher) -> Vec<usize> {
    let batch = batcher.next(Instant::now(), Lane::Main);
    run_batch(batcher, batch)
}

fn run_express(batcher: &mut Batcher) -> Vec<usize> {
    let batch = batcher.next(Instant::now(), Lane::Express);
    run_batch(batcher, batch)
}

#[test]
fn a_small_request_runs_in_the_express_lane_beside_a_large_one() {
    let (model, mut batcher) = (model(), batcher(32));
    let _large = push_for(&mut batcher, &model, &[5; 5_000], &requester("a", 60));
    let heavy = batcher.next(Instant::now(), Lane::Main).unwrap();
    assert!(run_express(&mut batcher).is_empty(), "a large one stays in the main lane");
    let mut small = push_for(&mut batcher, &model, &[4, 4], &requester("a", 1));
    assert_eq!(run_express(&mut batcher), [4, 4]);
    assert_eq!(small.try_recv().unwrap().unwrap().outputs.len(), 2);
    assert_eq!(run_batch(&mut batcher, Some(heavy)), [5; 6]);
}

#[test]
fn a_small_request_is_not_packed_into_the_passes_of_a_large_one() {
    let (model, mut batcher) = (model(), batcher(32));
    let _large = push_for(&mut batcher, &model, &[5; 8], &requester("a", 60));
    let _small = push_for(&mut batcher, &model, &[4, 4], &requester("a", 1));
    assert_eq!(run(&mut batcher), [5; 6]);
    assert_eq!(run(&mut batcher), [5; 2]);
    assert_eq!(run(&mut batcher), [4, 4], "an idle worker takes any work");
}

/// Runs this many passes and returns the number of tokens in rows of each of these lengths.
fn tokens_by_length<const N: usize>(
    batcher: &mut Batcher,
    lengths: [usize; N],
    passes: usize,
) -> [usize; N] {
    let rows: Vec<usize> = (0..passes).flat_map(|_| run(batcher)).collect();
    lengths.map(|length| rows.iter().filter(|&&row| row == length).sum())
}

#[test]
fn the_jobs_of_a_request_take_turns() {
    let (model, mut batcher) = (model(), batcher(60));
    let request = requester("a", 60);
    let _first = push_for(&mut batcher, &model, &[5; 1_000], &request);
    let _second = push_for(&mut batcher, &model, &[4; 1_000], &request);
    let [first, second] = tokens_by_length(&mut batcher, [5, 4], 40);
    assert!(first.abs_diff(second) <= 60, "{first} and {second}");
}

#[test]
fn many_jobs_do_not_increase_the_share_of_a_request() {
    let (model, mut batcher) = (model(), batcher(60));
    let greedy = requester("a", 60);
    let _greedy: Vec<Reply> =
        (0..60).map(|_| push_for(&mut batcher, &model, &[5; 100], &greedy)).collect();
    let _other = push_for(&mut batcher, &model, &[4; 1_000], &requester("a", 60));
    let [greedy, other] = tokens_by_length(&mut batcher, [5, 4], 40);
    assert!(greedy.abs_diff(other) <= 60, "{greedy} and {other}");
}

#[test]
fn many_requests_do_not_increase_the_share_of_a_key() {
    let (model, mut batcher) = (model(), batcher(60));
    let greedy = |batcher: &mut Batcher| push_for(batcher, &model, &[5; 100], &requester("a", 60));
    let _greedy: Vec<Reply> = (0..60).map(|_| greedy(&mut batcher)).collect();
    let _other = push_for(&mut batcher, &model, &[4; 1_000], &requester("b", 60));
    let [greedy, other] = tokens_by_length(&mut batcher, [5, 4], 40);
    assert!(greedy.abs_diff(other) <= 60, "{greedy} and {other}");
}

#[test]
fn sequential_jobs_do_not_increase_the_share_of_a_request() {
    let (model, mut batcher) = (model(), batcher(34));
    let rounds = requester("a", 60);
    let _other = push_for(&mut batcher, &model, &[4; 1_000], &requester("a", 60));
    let mut tokens = [0, 0];
    for _ in 0..20 {
        // Each round exceeds the request's share; the other catches up before the next one runs.
        let mut round = push_for(&mut batcher, &model, &[30], &rounds);
        while round.try_recv().is_err() {
            let pass = tokens_by_length(&mut batcher, [30, 4], 1);
            (tokens[0], tokens[1]) = (tokens[0] + pass[0], tokens[1] + pass[1]);
        }
    }
    assert!(tokens[0].abs_diff(tokens[1]) <= 60, "{tokens:?}");
}

#[test]
fn jobs_share_by_cost_regardless_of_row_length() {
    let (model, mut batcher) = (model(), batcher(64));
    let _long = push(&mut batcher, &model, &[30; 500]);
    let _short = push(&mut batcher, &model, &[3; 5_000]);
    let mut tokens = [0, 0];
    for _ in 0..40 {
        for length in run(&mut batcher) {
            tokens[usize::from(length == 3)] += length;
        }
    }
    assert!(tokens[0].abs_diff(tokens[1]) <= 64, "{tokens:?}");
}

#[test]
fn a_late_job_gets_no_credit_for_earlier_passes() {
    let (model, mut batcher) = (model(), batcher(64));
    let _early = push(&mut batcher, &model, &[4; 5_000]);
    for _ in 0..50 {
        run(&mut batcher);
    }
    let _late = push(&mut batcher, &model, &[5; 5_000]);
    let lengths = run(&mut batcher);
    assert!(lengths.contains(&4) && lengths.contains(&5), "{lengths:?}");
}

#[test]
fn waiting_rows_are_divided_among_the_workers() {
    let model = model();
    let mut batcher =
        Batcher::new(PassLimits { tokens: 512, bytes: 1 << 30, workers: 2, express: 2 });
    let _job = push(&mut batcher, &model, &[10; 20]);
    let passes: Vec<usize> =
        (0..2).map(|_| batcher.next(Instant::now(), Lane::Main).unwrap().tokens()).collect();
    assert_eq!(passes, [100, 50], "half of the waiting tokens each, with a minimum size");
}

#[test]
fn a_pass_respects_the_memory_limit() {
    let model = model();
    let bytes = 2 * model.row_bytes(10);
    let mut batcher = Batcher::new(PassLimits { tokens: 512, bytes, workers: 1, express: 1 });
    let _job = push(&mut batcher, &model, &[10; 5]);
    assert_eq!(run(&mut batcher), [10, 10]);
    let _long = push(&mut batcher, &model, &[30]);
    let rest: Vec<Vec<usize>> = (0..3).map(|_| run(&mut batcher)).collect();
    assert!(rest.contains(&vec![30]), "a row over the limit runs alone: {rest:?}");
}

#[test]
fn a_row_over_the_budget_runs_alone() {
    let (model, mut batcher) = (model(), batcher(8));
    let mut long = push(&mut batcher, &model, &[30]);
    let mut short = push(&mut batcher, &model, &[3]);
    assert_eq!(run(&mut batcher), [30]);
    assert_eq!(run(&mut batcher), [3]);
    assert!(long.try_recv().unwrap().is_ok() && short.try_recv().unwrap().is_ok());
    assert!(batcher.is_empty());
}

#[test]
fn models_alternate_and_never_share_a_pass() {
    let (one, other, mut batcher) = (model(), model(), batcher(8));
    let _a = push(&mut batcher, &one, &[4; 6]);
    let _b = push(&mut batcher, &other, &[5; 6]);
    let passes: Vec<Vec<usize>> = (0..5).map(|_| run(&mut batcher)).collect();
    assert_eq!(passes, [vec![4, 4], vec![5], vec![5], vec![4, 4], vec![5]]);
}

#[test]
fn outputs_are_in_the_order_of_the_jobs_rows() {
    let (model, mut batcher) = (model(), batcher(16));
    let lengths = [9, 2, 7, 2, 5, 12];
    let mut reply = push(&mut batcher, &model, &lengths);
    while !batcher.is_empty() {
        run(&mut batcher);
    }
    let finished = reply.try_recv().unwrap().unwrap();
    for (tokens, output) in lengths.into_iter().zip(finished.outputs) {
        let alone = model.run(&[row(tokens)]).unwrap().remove(0);
        assert_eq!(alone.logits, output.logits, "a row of {tokens} tokens");
    }
}

#[test]
fn rows_of_a_disconnected_caller_never_run() {
    let (model, mut batcher) = (model(), batcher(8));
    drop(push(&mut batcher, &model, &[4; 1_000]));
    let _connected = push(&mut batcher, &model, &[3]);
    assert_eq!(run(&mut batcher), [3]);
    assert!(batcher.is_empty());
}

#[test]
fn an_error_fails_only_the_jobs_of_that_pass() {
    let (model, mut batcher) = (model(), batcher(8));
    let mut failed = push(&mut batcher, &model, &[8, 8]);
    let mut good = push(&mut batcher, &model, &[3]);
    let batch = batcher.next(Instant::now(), Lane::Main).unwrap();
    assert_eq!(batch.rows.len(), 1);
    batcher.finish(batch, Err(Failure::Row(Error::internal("broken"))), Duration::ZERO);
    assert_eq!(failed.try_recv().unwrap().err().unwrap().code, Code::Internal);
    run(&mut batcher);
    assert!(good.try_recv().unwrap().is_ok());
    assert!(batcher.is_empty());
}

#[test]
fn non_finite_outputs_are_an_error() {
    let (model, mut batcher) = (model(), batcher(8));
    let mut reply = push(&mut batcher, &model, &[3]);
    let batch = batcher.next(Instant::now(), Lane::Main).unwrap();
    let mut outputs = model.run(&batch.rows).unwrap();
    outputs[0].logits[1] = f64::NAN;
    batcher.finish(batch, Ok(outputs), Duration::ZERO);
    assert_eq!(reply.try_recv().unwrap().err().unwrap().code, Code::Internal);
}

#[test]
fn a_failed_pass_is_retried_in_halves() {
    let (model, mut batcher) = (model(), batcher(32));
    let lengths = [4, 4, 3, 4, 4, 4, 4, 4];
    let mut replies: Vec<Reply> =
        lengths.iter().map(|&tokens| push(&mut batcher, &model, &[tokens])).collect();
    let mut sizes = Vec::new();
    while let Some(batch) = batcher.next(Instant::now(), Lane::Main) {
        sizes.push(batch.rows.len());
        let result = match batch.rows.iter().any(|row| row.tokens.len() == 3) {
            true => Err(Failure::Row(Error::internal("broken"))),
            false => batch.model.run(&batch.rows).map_err(|e| Failure::Row(Error::internal(e))),
        };
        batcher.finish(batch, result, Duration::ZERO);
    }
    assert_eq!(sizes, [8, 4, 4, 2, 1, 1, 2]);
    let answers: Vec<bool> =
        replies.iter_mut().map(|reply| reply.try_recv().unwrap().is_ok()).collect();
    assert_eq!(answers, lengths.map(|tokens| tokens != 3));
}
