//! The batcher by itself: turns, budgets, callers that leave, faults.

use std::sync::Arc;
use std::time::{Duration, Instant};

use explaind::checkpoint::Source;
use explaind::engine::batcher::Batcher;
use explaind::error::{Code, Error, Result};
use explaind::model::{Model, Placement};
use explaind::passes::{Finished, Job};
use explaind::rows::{Row, Tokens};
use tokio::sync::oneshot;

use crate::support::{golden_folder, load};

fn model() -> Arc<Model> {
    load(Source::Directory(golden_folder("bert-tiny")), &Placement::default())
}

fn row(tokens: usize) -> Row {
    let ids = Tokens { input_ids: vec![7; tokens], token_type_ids: vec![0; tokens] };
    Row::forward(Arc::new(ids))
}

type Reply = oneshot::Receiver<Result<Finished>>;

fn push(batcher: &mut Batcher, model: &Arc<Model>, rows: &[usize]) -> Reply {
    let (reply, answer) = oneshot::channel();
    let rows = rows.iter().map(|&tokens| row(tokens)).collect();
    batcher.push(Job { model: Arc::clone(model), rows, reply, queued: Instant::now() });
    answer
}

fn run(batcher: &mut Batcher) -> Vec<usize> {
    let Some(batch) = batcher.next(Instant::now()) else { return Vec::new() };
    let lengths = batch.rows.iter().map(|row| row.tokens.len()).collect();
    let result = batch.model.run(&batch.rows).map_err(Error::internal);
    batcher.finish(batch, result, Duration::from_millis(10));
    lengths
}

#[test]
fn a_small_job_shares_the_first_pass_with_a_large_one() {
    let (model, mut batcher) = (model(), Batcher::new(32));
    let _large = push(&mut batcher, &model, &[5; 5_000]);
    let mut small = push(&mut batcher, &model, &[4, 4]);
    let lengths = run(&mut batcher);
    assert!(lengths.iter().sum::<usize>() <= 32);
    assert_eq!(lengths.iter().filter(|&&tokens| tokens == 4).count(), 2);
    assert_eq!(small.try_recv().unwrap().unwrap().outputs.len(), 2);
}

#[test]
fn a_row_over_the_budget_runs_alone() {
    let (model, mut batcher) = (model(), Batcher::new(8));
    let mut long = push(&mut batcher, &model, &[30]);
    let mut short = push(&mut batcher, &model, &[3]);
    assert_eq!(run(&mut batcher), [30]);
    assert_eq!(run(&mut batcher), [3]);
    assert!(long.try_recv().unwrap().is_ok() && short.try_recv().unwrap().is_ok());
    assert!(batcher.is_empty());
}

#[test]
fn models_take_turns_and_never_share_a_pass() {
    let (one, other, mut batcher) = (model(), model(), Batcher::new(8));
    let _a = push(&mut batcher, &one, &[4; 6]);
    let _b = push(&mut batcher, &other, &[5; 6]);
    let passes: Vec<Vec<usize>> = (0..4).map(|_| run(&mut batcher)).collect();
    assert_eq!(passes, [vec![4, 4], vec![5], vec![4, 4], vec![5]]);
}

#[test]
fn outputs_come_back_in_the_jobs_order() {
    let (model, mut batcher) = (model(), Batcher::new(16));
    let lengths = [9, 2, 7, 2, 5, 12];
    let mut reply = push(&mut batcher, &model, &lengths);
    while !batcher.is_empty() {
        run(&mut batcher);
    }
    let finished = reply.try_recv().unwrap().unwrap();
    for (tokens, output) in lengths.into_iter().zip(finished.outputs) {
        let alone = model.run(&[row(tokens)]).unwrap().remove(0);
        let gap = (alone.logits[0] - output.logits[0]).abs();
        assert!(gap < 1e-5, "a row of {tokens} tokens got another's output");
    }
}

#[test]
fn rows_of_a_caller_that_left_never_run() {
    let (model, mut batcher) = (model(), Batcher::new(8));
    drop(push(&mut batcher, &model, &[4; 1_000]));
    let _stays = push(&mut batcher, &model, &[3]);
    assert_eq!(run(&mut batcher), [3]);
    assert!(batcher.is_empty());
}

#[test]
fn a_fault_fails_the_jobs_of_that_pass_only() {
    let (model, mut batcher) = (model(), Batcher::new(8));
    let mut failed = push(&mut batcher, &model, &[8, 8]);
    let mut good = push(&mut batcher, &model, &[3]);
    let batch = batcher.next(Instant::now()).unwrap();
    batcher.finish(batch, Err(Error::internal("broken")), Duration::ZERO);
    assert_eq!(failed.try_recv().unwrap().err().unwrap().code, Code::Internal);
    run(&mut batcher);
    assert!(good.try_recv().unwrap().is_ok());
    assert!(batcher.is_empty());
}

#[test]
fn a_number_that_is_not_finite_is_an_error() {
    let (model, mut batcher) = (model(), Batcher::new(8));
    let mut reply = push(&mut batcher, &model, &[3]);
    let batch = batcher.next(Instant::now()).unwrap();
    let mut outputs = model.run(&batch.rows).unwrap();
    outputs[0].logits[1] = f64::NAN;
    batcher.finish(batch, Ok(outputs), Duration::ZERO);
    assert_eq!(reply.try_recv().unwrap().err().unwrap().code, Code::Internal);
}
