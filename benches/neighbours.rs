//! Exact nearest-neighbour search, compared with brute force: `cargo bench --bench neighbours`. The
//! large corpus takes 2 GB of memory and half a minute to create: `cargo bench --bench neighbours
//! -- 1000000`. `-- stored` measures how long a stored index of 100,000 samples takes to open;
//! creating it takes minutes, because 10,000 samples are compared with all others.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group};
use explaind::backend::cpu::Isa;
use explaind::corpus::{Embedded, Index, Key, Representation, Sample, open, write};
use explaind::nearest::{Codes, Neighbour, cosine, nearest};
use explaind::random::Generator;
use rayon::prelude::*;

/// Length of a vector.
const WIDTH: usize = 384;

/// Draws rows around a common direction; `spread` is the standard deviation relative to its
/// components. States of one layer lie in a narrow cone (Ethayarajh 2019).
fn rows(count: usize, spread: f32) -> Vec<f32> {
    let mut generator = Generator::stream(0, 0);
    let centre: Vec<f32> = (0..WIDTH).map(|_| generator.normal() as f32).collect();
    let mut rows = vec![0.; count * WIDTH];
    rows.par_chunks_exact_mut(WIDTH).enumerate().for_each(|(number, row)| {
        let mut generator = Generator::stream(1, number as u64);
        for (x, centre) in row.iter_mut().zip(&centre) {
            *x = centre + spread * generator.normal() as f32;
        }
    });
    rows
}

fn searches(criterion: &mut Criterion) {
    // The large size runs only if the command line names it.
    let large = std::env::args().any(|argument| argument == "1000000");
    for count in [100_000, 1_000_000].into_iter().filter(|count| large == (*count == 1_000_000)) {
        let mut group = criterion.benchmark_group(format!("{count} x {WIDTH}"));
        group.throughput(Throughput::Elements(count as u64)).sample_size(20);
        for (name, spread) in [("in a narrow cone", 0.3), ("in all directions", 1e3)] {
            let rows = rows(count, spread);
            let codes = Codes::new(&rows, WIDTH);
            let query = rows[7 * WIDTH..8 * WIDTH].iter().map(|x| x + 0.01).collect::<Vec<f32>>();
            let found = nearest(&codes.scan(&query), &query, 10, |_| true, rows.as_slice());
            assert_eq!(found.expect("rows in memory"), brute_force(&rows, &query, 10));
            group.bench_function(format!("10 nearest, {name}"), |bencher| {
                bencher.iter(|| {
                    let scan = codes.scan(black_box(&query));
                    nearest(&scan, &query, 10, |_| true, rows.as_slice()).expect("rows in memory")
                });
            });
        }
        group.finish();
    }
}

/// Compares all rows in f64.
fn brute_force(rows: &[f32], query: &[f32], k: usize) -> Vec<Neighbour> {
    let all = rows.par_chunks_exact(WIDTH).enumerate();
    let mut all: Vec<Neighbour> =
        all.map(|(row, x)| Neighbour { row, similarity: cosine(query, x) }).collect();
    all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.row.cmp(&b.row)));
    all.truncate(k);
    all
}

/// Measures the opening of a stored index, after a first one that fills the page cache.
fn stored() -> Result<(), Box<dyn Error>> {
    const COUNT: usize = 100_000;
    let representation = Representation::Gradient;
    let key = Key { revision: "r".to_owned(), digest: "d".to_owned(), representation };
    let sample = |row: usize| Sample {
        id: row.to_string(),
        text: format!("sample {row} of the corpus, with a text of a usual length of a sentence"),
        text_pair: None,
        label: "0".to_owned(),
    };
    let samples: Vec<Sample> = (0..COUNT).map(sample).collect();
    let labels: Vec<u32> = (0..COUNT).map(|row| (row % 2) as u32).collect();
    let embedded = Embedded {
        width: WIDTH,
        vectors: rows(COUNT, 0.3),
        predicted: labels.clone(),
        labels,
        probabilities: vec![0.9; COUNT],
        ..Embedded::default()
    };
    let start = Instant::now();
    let index = Index::new(key.clone(), &samples, embedded, &|_, _| {})?;
    println!("{COUNT} x {WIDTH}: made in {:.1?}", start.elapsed());
    let path = std::env::temp_dir().join(format!("explaind-{}.index", std::process::id()));
    write(&path, &index)?;
    for _ in 0..4 {
        let start = Instant::now();
        let opened = open(&path, &key)?;
        println!("{} samples opened in {:.0?}", opened.len(), start.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

criterion_group!(benches, searches);

fn main() -> Result<(), Box<dyn Error>> {
    println!("instruction set: {:?}", Isa::best());
    if std::env::args().any(|argument| argument == "stored") {
        return stored();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    Ok(())
}
