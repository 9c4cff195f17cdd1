//! Exact nearest neighbours by cosine: a scan over 8-bit codes with bounded error, then the exact
//! similarities of the few remaining candidates.
//!
//! The result is exact: [`Scan::candidates`] omits only rows that cannot be among the nearest, by
//! the error bound of [`Codes`]. Ties go to the lower row number, so results do not depend on the
//! number of threads.

mod codes;
mod kernel;

use std::cmp::Ordering;
use std::io;

pub use codes::{Codes, Parts, Scan};

/// Rows `[rows, width]` in full precision, in memory or in a file.
pub trait Rows: Sync {
    /// Copies one row into `into`, whose length is the row's length.
    fn read(&self, row: usize, into: &mut [f32]) -> io::Result<()>;
}

/// Contiguous rows in memory.
impl Rows for [f32] {
    fn read(&self, row: usize, into: &mut [f32]) -> io::Result<()> {
        let start = row * into.len();
        let found = self.get(start..start + into.len());
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A row and its cosine with the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    pub row: usize,
    pub similarity: f64,
}

impl Neighbour {
    /// Orders by decreasing similarity, then by row number.
    fn order(&self, other: &Self) -> Ordering {
        other.similarity.total_cmp(&self.similarity).then(self.row.cmp(&other.row))
    }
}

/// Returns the cosine of two vectors, computed in f64; 0 if one of them is 0.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let sizes = (dot(a, a) * dot(b, b)).sqrt();
    if sizes > 0. { dot(a, b) / sizes } else { 0. }
}

/// Returns `Σ a b` in f64. The order of additions over the eight lanes is fixed.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0_f64; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let ends = a_parts.remainder().iter().zip(b_parts.remainder());
    let tail: f64 = ends.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for lane in 0..LANES {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    sums.iter().sum::<f64>() + tail
}

/// Candidates to read between two checks of the stopping condition.
const BLOCK: usize = 256;

/// Returns the `k` rows most similar to `query` among those that `accept` returns true for, best
/// first; fewer if there are not enough. `scan` must be the scan of the same query.
///
/// # Errors
/// Returns errors of reading `rows`.
pub fn nearest(
    scan: &Scan<'_>,
    query: &[f32],
    k: usize,
    accept: impl Fn(usize) -> bool,
    rows: &(impl Rows + ?Sized),
) -> io::Result<Vec<Neighbour>> {
    let mut best: Vec<Neighbour> = Vec::new();
    let mut row = vec![0.; query.len()];
    // Candidates are sorted by upper bound, so the search can stop early.
    for block in scan.candidates(k, accept).chunks(BLOCK) {
        let worst = best.get(k - 1).map_or(f64::NEG_INFINITY, |neighbour| neighbour.similarity);
        if block.first().is_some_and(|first| first.highest < worst) {
            break;
        }
        for candidate in block {
            rows.read(candidate.row, &mut row)?;
            best.push(Neighbour { row: candidate.row, similarity: cosine(query, &row) });
        }
        best.sort_by(Neighbour::order);
        best.truncate(k);
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    /// Sorts the similarities of all rows.
    fn brute_force(
        rows: &[f32],
        query: &[f32],
        k: usize,
        accept: impl Fn(usize) -> bool,
    ) -> Vec<Neighbour> {
        let all = rows.chunks_exact(query.len()).enumerate().filter(|(row, _)| accept(*row));
        let mut all: Vec<Neighbour> =
            all.map(|(row, x)| Neighbour { row, similarity: cosine(query, x) }).collect();
        all.sort_by(Neighbour::order);
        all.truncate(k);
        all
    }

    fn random(generator: &mut Generator, count: usize) -> Vec<f32> {
        (0..count).map(|_| generator.normal() as f32).collect()
    }

    fn check(rows: &[f32], query: &[f32], k: usize, accept: impl Fn(usize) -> bool) {
        let codes = Codes::new(rows, query.len());
        let scan = codes.scan(query);
        let found = nearest(&scan, query, k, &accept, rows).unwrap();
        assert_eq!(found, brute_force(rows, query, k, &accept));
        for (row, x) in rows.chunks_exact(query.len()).enumerate() {
            let (low, high) = scan.bounds(row);
            let exact = cosine(query, x);
            assert!(low <= exact && exact <= high, "{low} {exact} {high}");
        }
    }

    #[test]
    fn equal_to_brute_force_on_random_rows() {
        let mut generator = Generator::stream(1, 0);
        for (rows, width) in [(1, 1), (7, 3), (500, 16), (3_000, 160), (100, 385)] {
            let data = random(&mut generator, rows * width);
            for k in [1, 5, rows, 2 * rows] {
                let query = random(&mut generator, width);
                check(&data, &query, k, |_| true);
                check(&data, &query, k, |row| row % 3 == 0);
                check(&data, &query, k, |_| false);
            }
        }
    }

    /// Rows in a narrow cone around a common direction, like hidden states of one layer.
    #[test]
    fn equal_to_brute_force_on_rows_in_a_narrow_cone() {
        let mut generator = Generator::stream(2, 0);
        let width = 64;
        let centre = random(&mut generator, width);
        let mut near = |spread: f32| {
            let noise = random(&mut generator, width);
            centre.iter().zip(noise).map(|(c, n)| 10. * c + spread * n).collect::<Vec<f32>>()
        };
        let rows: Vec<f32> = (0..2_000).flat_map(|_| near(0.01)).collect();
        for spread in [0., 0.01, 5.] {
            check(&rows, &near(spread), 10, |_| true);
        }
    }

    #[test]
    fn ties_zeros_and_duplicates() {
        let mut generator = Generator::stream(3, 0);
        let width = 12;
        let one = random(&mut generator, width);
        let zero = vec![0.; width];
        let negative: Vec<f32> = one.iter().map(|x| -x).collect();
        let rows = [&one, &zero, &one, &negative, &one, &zero].map(Vec::as_slice).concat();
        for query in [&one, &zero, &negative] {
            for k in 1..8 {
                check(&rows, query, k, |_| true);
            }
        }
        let codes = Codes::new(&rows, width);
        let found = nearest(&codes.scan(&one), &one, 3, |_| true, rows.as_slice()).unwrap();
        assert_eq!(found.iter().map(|n| n.row).collect::<Vec<_>>(), [0, 2, 4]);
        let found = nearest(&codes.scan(&zero), &zero, 6, |_| true, rows.as_slice()).unwrap();
        assert!(found.iter().all(|n| n.similarity == 0.));
        assert_eq!(found.iter().map(|n| n.row).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn rows_of_any_magnitude() {
        let mut generator = Generator::stream(4, 0);
        let width = 8;
        for size in [1e-15_f32, 1., 1e15] {
            let rows: Vec<f32> =
                random(&mut generator, 300 * width).iter().map(|x| x * size).collect();
            let query = random(&mut generator, width);
            check(&rows, &query, 5, |_| true);
        }
    }

    #[test]
    fn batched_scans_equal_single_scans() {
        let mut generator = Generator::stream(5, 0);
        let (width, count) = (24, 700);
        let rows = random(&mut generator, count * width);
        let queries: Vec<Vec<f32>> = (0..9).map(|_| random(&mut generator, width)).collect();
        let codes = Codes::new(&rows, width);
        let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
        for (batched, query) in codes.scan_all(&queries).iter().zip(&queries) {
            let single = codes.scan(query);
            assert!((0..count).all(|row| batched.bounds(row) == single.bounds(row)));
        }
    }

    #[test]
    fn no_rows() {
        let codes = Codes::new(&[], 4);
        let query = [1., 0., 0., 0.];
        assert!(
            nearest(&codes.scan(&query), &query, 3, |_| true, [].as_slice()).unwrap().is_empty()
        );
    }
}
