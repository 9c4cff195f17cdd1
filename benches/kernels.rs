//! Benchmarks of the CPU back end's kernels and of a whole explanation without HTTP: `cargo bench
//! --bench kernels`. Throughput is in multiply-adds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use explaind::backend::cpu::{Array, Cpu, Isa};
use explaind::backend::{Attention, Backend, Heads, Projected, Span};
use explaind::blocks::Activation;
use explaind::model::{Model, Placement};
use explaind::rows::{Baseline, Layer, Output, Path, Reduce, Row, Scalar, Tokens, Want};
use rayon::ThreadPoolBuilder;

/// Tokens per pass.
const TOKENS: usize = 256;

/// Hidden size, intermediate size and heads of the built-in model, MiniLM and BERT-base.
const SHAPES: [(usize, usize, usize); 3] = [(160, 400, 5), (384, 1536, 12), (768, 3072, 12)];

/// Unwraps a result that cannot be an error.
fn ok<T>(result: Result<T, std::convert::Infallible>) -> T {
    let Ok(value) = result;
    value
}

fn array(cpu: &Cpu, rows: usize, width: usize) -> Array {
    let value = |i: usize, j: usize| ((i * 7 + j * 13) % 17) as f64 / 17. - 0.5;
    let row = |i| (0..width).map(|j| value(i, j)).collect();
    ok(cpu.array(&(0..rows).map(row).collect::<Vec<_>>()))
}

fn linears(criterion: &mut Criterion) {
    for isa in Isa::available() {
        let cpu = Cpu::new(isa);
        let mut group = criterion.benchmark_group(format!("linear {}", isa.name()));
        for (hidden, inner, _) in SHAPES {
            let weight = vec![0.01; inner * hidden];
            let up = ok(cpu.load_linear(&weight, &vec![0.1; inner], hidden));
            let (x, grad) = (array(&cpu, TOKENS, hidden), array(&cpu, TOKENS, inner));
            group.throughput(Throughput::Elements((TOKENS * hidden * inner) as u64));
            group.bench_function(format!("{hidden} to {inner}, forward"), |bench| {
                bench.iter(|| black_box(ok(cpu.linear(&up, &x, None))));
            });
            group.bench_function(format!("{hidden} to {inner}, gelu"), |bench| {
                bench.iter(|| {
                    black_box(ok(cpu.linear_activated(&up, Activation::Gelu, &x, TOKENS)))
                });
            });
            group.bench_function(format!("{hidden} to {inner}, gelu without slopes"), |bench| {
                bench.iter(|| black_box(ok(cpu.linear_activated(&up, Activation::Gelu, &x, 0))));
            });
            group.bench_function(format!("{hidden} to {inner}, gradient"), |bench| {
                bench.iter(|| black_box(ok(cpu.linear_vjp(&up, &grad, Some(&x)))));
            });
        }
    }
}

/// Few rows, because tiles of every height must be equally fast: 9 and 10 rows were not.
fn heights(criterion: &mut Criterion) {
    const HIDDEN: usize = 384;
    for isa in Isa::available() {
        let cpu = Cpu::new(isa);
        let mut group = criterion.benchmark_group(format!("rows {}", isa.name()));
        group.sample_size(10).measurement_time(Duration::from_millis(200));
        let square = ok(cpu.load_linear(&vec![0.01; HIDDEN * HIDDEN], &[0.1; HIDDEN], HIDDEN));
        for rows in 1..=24 {
            let x = array(&cpu, rows, HIDDEN);
            group.throughput(Throughput::Elements((rows * HIDDEN * HIDDEN) as u64));
            group.bench_function(rows.to_string(), |bench| {
                bench.iter(|| black_box(ok(cpu.linear(&square, &x, None))));
            });
        }
    }
}

/// Query, key and value by three maps against one to all three, forward and backward: `-- qkv`. One map
/// saves at most the hand-overs between threads and some reads of the states.
fn qkv(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let cpu = Cpu::new(Isa::best()).with_threads(threads);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut group = criterion.benchmark_group(format!("qkv, threads: {threads}"));
        group.sample_size(10).measurement_time(Duration::from_millis(200));
        for (hidden, _, _) in SHAPES {
            let map = |out| ok(cpu.load_linear(&vec![0.01; out * hidden], &vec![0.1; out], hidden));
            let (maps, all) = ([0; 3].map(|_| map(hidden)), map(3 * hidden));
            for tokens in [8, 17, 30, 66, 128, 1000] {
                let (x, grad) = (array(&cpu, tokens, hidden), array(&cpu, tokens, 3 * hidden));
                let name = |what| format!("{hidden}, {tokens} tokens, {what}");
                group.throughput(Throughput::Elements((3 * tokens * hidden * hidden) as u64));
                let forward = || maps.each_ref().map(|map| ok(cpu.linear(map, &x, None)));
                let backward = || {
                    let add = |sum: Option<Array>, map| {
                        Some(ok(cpu.linear_vjp(map, &x, Some(sum.as_ref().unwrap_or(&x)))))
                    };
                    maps.iter().fold(None, add)
                };
                group.bench_function(name("three forward"), |bench| {
                    pool.install(|| bench.iter(|| black_box(forward())));
                });
                group.bench_function(name("one forward"), |bench| {
                    pool.install(|| bench.iter(|| black_box(ok(cpu.linear(&all, &x, None)))));
                });
                group.bench_function(name("three backward"), |bench| {
                    pool.install(|| bench.iter(|| black_box(backward())));
                });
                group.bench_function(name("one backward"), |bench| {
                    pool.install(|| {
                        bench.iter(|| black_box(ok(cpu.linear_vjp(&all, &grad, Some(&x)))));
                    });
                });
            }
        }
    }
}

fn attention(criterion: &mut Criterion) {
    let cpu = Cpu::new(Isa::best());
    let mut group = criterion.benchmark_group("attention");
    for (hidden, _, count) in SHAPES {
        let block = Attention::plain(Heads { count, size: hidden / count });
        for tokens in [8, 32, 128] {
            let span = |i: usize| Span::whole(i * tokens..(i + 1) * tokens);
            let spans: Vec<Span> = (0..TOKENS / tokens).map(span).collect();
            let projected = || {
                let [query, key, value] = [0; 3].map(|_| array(&cpu, TOKENS, hidden));
                Projected::apart(query, key, value)
            };
            let grad = array(&cpu, TOKENS, hidden);
            let (_, saved) = ok(cpu.attention(&block, projected(), &spans));
            group.throughput(Throughput::Elements((4 * TOKENS * tokens * hidden) as u64));
            group.bench_function(format!("{hidden}, rows of {tokens}, gradient"), |bench| {
                bench.iter(|| black_box(ok(cpu.attention_vjp(&block, &saved, &spans, &grad))));
            });
        }
    }
}

/// Integrated gradients of the built-in model: 17 points of one path, on one thread.
fn explanation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("17 points by sentiment-en");
    for isa in Isa::available() {
        let source = "builtin:sentiment-en".parse().expect("it is built in");
        let model = Model::load("bench", &source, &Placement::Cpu(isa)).expect("it loads");
        for tokens in [8, 32, 128] {
            let input_ids = (0..tokens).map(|i| 5 + i as u32 * 37).collect();
            let (token_type_ids, position_ids) = (vec![0; tokens], (0..tokens as u32).collect());
            let tokens = Arc::new(Tokens { input_ids, token_type_ids, position_ids });
            let row = |k: usize| Row {
                layer: Layer::WordEmbeddings,
                path: Some(Path {
                    baseline: Baseline::Zero,
                    alpha: k as f64 / 16.,
                    noise: None,
                    held: 0,
                }),
                want: Want::Gradients(Reduce::TimesDifference, vec![Scalar::one(Output::Logit, 1)]),
                ..Row::forward(Arc::clone(&tokens), [].into())
            };
            let rows: Vec<Row> = (0..17).map(row).collect();
            let work = rows.iter().map(|row| model.row_work(row)).sum();
            group.throughput(Throughput::Elements(work));
            group.bench_function(format!("{} tokens, {}", tokens.len(), isa.name()), |bench| {
                bench.iter(|| black_box(model.run(&rows).expect("a pass")));
            });
        }
    }
}

/// Forward passes with rows of one text without some tokens, and of as many different texts.
fn masked(criterion: &mut Criterion) {
    const LENGTH: usize = 30;
    const MASK: u32 = 103;
    let mut group = criterion.benchmark_group("masked rows of sentiment-en");
    let source = "builtin:sentiment-en".parse().expect("it is built in");
    let model = Model::load("bench", &source, &Placement::default()).expect("it loads");
    let row = |id: &dyn Fn(usize) -> u32| {
        let tokens = Tokens {
            input_ids: (0..LENGTH).map(id).collect(),
            token_type_ids: vec![0; LENGTH],
            position_ids: (0..LENGTH as u32).collect(),
        };
        let want = Want::Values(vec![Scalar::one(Output::Logit, 1)]);
        Row { want, ..Row::forward(Arc::new(tokens), [].into()) }
    };
    let word = |i: usize| 200 + i as u32 * 37;
    type Rows<'a> = &'a dyn Fn(usize, usize) -> u32;
    let kinds: [(&str, Rows<'_>); 3] = [
        ("one token masked", &|row, i| if i == row + 1 { MASK } else { word(i) }),
        ("half of the tokens masked", &|row, i| match (row * 131 + i * 37) % 101 % 2 {
            0 => MASK,
            _ => word(i),
        }),
        ("different texts", &|row, i| word(i + row * LENGTH)),
    ];
    for (name, id) in kinds {
        let rows: Vec<Row> = (0..TOKENS / LENGTH).map(|of| row(&|i| id(of, i))).collect();
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(model.run(&rows).expect("a pass")));
        });
    }
}

criterion_group!(kernels, linears, heights, qkv, attention, explanation, masked);
criterion_main!(kernels);
