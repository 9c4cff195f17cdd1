//! The batcher by itself: turns, budgets, callers that leave, faults.

use std::sync::Arc;
use std::time::{Duration, Instant};

use explaind::checkpoint::Source;
use explaind::engine::batcher::{Batch, Batcher, Lane, PassLimits};
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

/// A request of its own, of the key *a*, that should take a second.
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
    Batcher::new(PassLimits { tokens, bytes: 1 << 30, workers: 1 })
}

/// Runs a pass, and says how long its rows were.
fn run_batch(batcher: &mut Batcher, batch: Option<Batch>) -> Vec<usize> {
    let Some(batch) = batch else { return Vec::new() };
    let lengths = batch.rows.iter().map(|row| row.tokens.len()).collect();
    let result = batch.model.run(&batch.rows).map_err(Error::internal);
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
fn a_small_request_has_a_lane_beside_a_large_one() {
    let (model, mut batcher) = (model(), batcher(32));
    let _large = push_for(&mut batcher, &model, &[5; 5_000], &requester("a", 60));
    let heavy = batcher.next(Instant::now(), Lane::Main).unwrap();
    assert!(run_express(&mut batcher).is_empty(), "a large one keeps to the main lane");
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
    assert_eq!(run(&mut batcher), [4, 4], "an idle worker takes what there is");
}

/// Tokens of rows of these lengths that were run in so many passes.
fn tokens_by_length<const N: usize>(
    batcher: &mut Batcher,
    lengths: [usize; N],
    passes: usize,
) -> [usize; N] {
    let ran: Vec<usize> = (0..passes).flat_map(|_| run(batcher)).collect();
    lengths.map(|length| ran.iter().filter(|&&ran| ran == length).sum())
}

#[test]
fn a_request_of_many_jobs_has_the_share_of_one() {
    let (model, mut batcher) = (model(), batcher(60));
    let greedy = requester("a", 60);
    let _greedy: Vec<Reply> =
        (0..60).map(|_| push_for(&mut batcher, &model, &[5; 100], &greedy)).collect();
    let _other = push_for(&mut batcher, &model, &[4; 1_000], &requester("a", 60));
    let [greedy, other] = tokens_by_length(&mut batcher, [5, 4], 40);
    assert!(greedy.abs_diff(other) <= 60, "{greedy} and {other}");
}

#[test]
fn a_key_of_many_requests_has_the_share_of_one() {
    let (model, mut batcher) = (model(), batcher(60));
    let greedy = |batcher: &mut Batcher| push_for(batcher, &model, &[5; 100], &requester("a", 60));
    let _greedy: Vec<Reply> = (0..60).map(|_| greedy(&mut batcher)).collect();
    let _other = push_for(&mut batcher, &model, &[4; 1_000], &requester("b", 60));
    let [greedy, other] = tokens_by_length(&mut batcher, [5, 4], 40);
    assert!(greedy.abs_diff(other) <= 60, "{greedy} and {other}");
}

#[test]
fn a_request_of_one_job_after_the_other_keeps_its_account() {
    let (model, mut batcher) = (model(), batcher(34));
    let rounds = requester("a", 60);
    let _other = push_for(&mut batcher, &model, &[4; 1_000], &requester("a", 60));
    let mut tokens = [0, 0];
    for _ in 0..20 {
        // Each puts it ahead of the other, which has to catch up before the next.
        let mut round = push_for(&mut batcher, &model, &[30], &rounds);
        while round.try_recv().is_err() {
            let ran = tokens_by_length(&mut batcher, [30, 4], 1);
            (tokens[0], tokens[1]) = (tokens[0] + ran[0], tokens[1] + ran[1]);
        }
    }
    assert!(tokens[0].abs_diff(tokens[1]) <= 60, "{tokens:?}");
}

#[test]
fn heavy_jobs_share_by_cost_whatever_their_rows_are() {
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
fn a_job_that_comes_late_is_not_paid_for_what_the_others_had() {
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
fn what_waits_is_shared_among_the_workers() {
    let model = model();
    let mut batcher = Batcher::new(PassLimits { tokens: 512, bytes: 1 << 30, workers: 2 });
    let _job = push(&mut batcher, &model, &[10; 20]);
    let passes: Vec<usize> =
        (0..2).map(|_| batcher.next(Instant::now(), Lane::Main).unwrap().tokens()).collect();
    assert_eq!(passes, [100, 50], "half of what waits, but no smaller than is worth it");
}

#[test]
fn a_pass_keeps_to_its_memory() {
    let model = model();
    let bytes = 2 * model.row_bytes(10);
    let mut batcher = Batcher::new(PassLimits { tokens: 512, bytes, workers: 1 });
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
fn models_take_turns_and_never_share_a_pass() {
    let (one, other, mut batcher) = (model(), model(), batcher(8));
    let _a = push(&mut batcher, &one, &[4; 6]);
    let _b = push(&mut batcher, &other, &[5; 6]);
    let passes: Vec<Vec<usize>> = (0..5).map(|_| run(&mut batcher)).collect();
    assert_eq!(passes, [vec![4, 4], vec![5], vec![5], vec![4, 4], vec![5]]);
}

#[test]
fn outputs_come_back_in_the_jobs_order() {
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
fn rows_of_a_caller_that_left_never_run() {
    let (model, mut batcher) = (model(), batcher(8));
    drop(push(&mut batcher, &model, &[4; 1_000]));
    let _stays = push(&mut batcher, &model, &[3]);
    assert_eq!(run(&mut batcher), [3]);
    assert!(batcher.is_empty());
}

#[test]
fn a_fault_fails_the_jobs_of_that_pass_only() {
    let (model, mut batcher) = (model(), batcher(8));
    let mut failed = push(&mut batcher, &model, &[8, 8]);
    let mut good = push(&mut batcher, &model, &[3]);
    let batch = batcher.next(Instant::now(), Lane::Main).unwrap();
    assert_eq!(batch.rows.len(), 1);
    batcher.finish(batch, Err(Error::internal("broken")), Duration::ZERO);
    assert_eq!(failed.try_recv().unwrap().err().unwrap().code, Code::Internal);
    run(&mut batcher);
    assert!(good.try_recv().unwrap().is_ok());
    assert!(batcher.is_empty());
}

#[test]
fn a_number_that_is_not_finite_is_an_error() {
    let (model, mut batcher) = (model(), batcher(8));
    let mut reply = push(&mut batcher, &model, &[3]);
    let batch = batcher.next(Instant::now(), Lane::Main).unwrap();
    let mut outputs = model.run(&batch.rows).unwrap();
    outputs[0].logits[1] = f64::NAN;
    batcher.finish(batch, Ok(outputs), Duration::ZERO);
    assert_eq!(reply.try_recv().unwrap().err().unwrap().code, Code::Internal);
}

#[test]
fn a_pass_that_fails_is_run_again_in_halves() {
    let (model, mut batcher) = (model(), batcher(32));
    let lengths = [4, 4, 3, 4, 4, 4, 4, 4];
    let mut replies: Vec<Reply> =
        lengths.iter().map(|&tokens| push(&mut batcher, &model, &[tokens])).collect();
    let mut sizes = Vec::new();
    while let Some(batch) = batcher.next(Instant::now(), Lane::Main) {
        sizes.push(batch.rows.len());
        let result = match batch.rows.iter().any(|row| row.tokens.len() == 3) {
            true => Err(Error::internal("broken")),
            false => batch.model.run(&batch.rows).map_err(Error::internal),
        };
        batcher.finish(batch, result, Duration::ZERO);
    }
    assert_eq!(sizes, [8, 4, 4, 2, 1, 1, 2]);
    let answers: Vec<bool> =
        replies.iter_mut().map(|reply| reply.try_recv().unwrap().is_ok()).collect();
    assert_eq!(answers, lengths.map(|tokens| tokens != 3));
}
