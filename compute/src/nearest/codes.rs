//! Rows as 8-bit codes, and bounds on the true cosines from a scan over them.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::kernel;

/// The largest magnitude in a row's code.
const MAX_CODE: f64 = 127.;

/// The largest magnitude in a query's code, if the i32 sums do not overflow.
const MAX_QUERY: f64 = 2_047.;

/// Bounds the f32 rounding error of an estimate: its few terms are at most 2 in magnitude, and
/// each is rounded by a relative error of at most 2⁻²⁴.
const ROUNDING: f64 = 1. / (1 << 20) as f64;

/// Rows per unit of parallel work.
const CHUNK: usize = 1_024;

/// Unit vectors of rows, relative to their mean, quantized to 8 bits per component.
///
/// Let u be the unit vector of a row and m the mean of all u; then `u - m = s c + e` with integers
/// c from -127 to 127. Let q be the unit vector of a query; then `q = t d + f` with integers d of
/// magnitude at most 2,047. So
///
/// `q·u = q·m + s t (c·d) + s (c·f) + q·e`
///
/// and, as `|q| = 1`, the first two terms differ from the cosine by at most `|e| + |f| |s c|`
/// (Cauchy-Schwarz). `c·d` is an integer sum without rounding. Subtracting the mean keeps codes
/// precise even if all rows have nearly the same direction.
#[derive(Debug, Clone)]
pub struct Codes {
    width: usize,
    parts: Parts,
    /// The maximum of `|s c|` over rows.
    radius: f64,
}

/// The components of [`Codes`], for storing them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    /// m, `[width]`
    pub mean: Vec<f32>,
    /// c, `[rows, width]`
    pub codes: Vec<i8>,
    /// s, `[rows]`
    pub scales: Vec<f32>,
    /// `|e|`, rounded up; `[rows]`
    pub errors: Vec<f32>,
}

/// One row's code.
struct Code {
    numbers: Vec<i8>,
    scale: f32,
    error: f32,
}

impl Codes {
    /// Quantizes `rows`, `[rows, width]`, which must be finite. `width` must not be 0.
    pub fn new(rows: &[f32], width: usize) -> Self {
        let mean = mean_direction(rows, width);
        let coded: Vec<Code> =
            rows.par_chunks_exact(width).map(|row| Code::new(row, &mean)).collect();
        let mut parts = Parts { mean, ..Parts::default() };
        parts.codes.reserve(rows.len());
        for code in coded {
            parts.codes.extend(code.numbers);
            parts.scales.push(code.scale);
            parts.errors.push(code.error);
        }
        Self::of_parts(parts)
    }

    /// Restores codes from their [`Self::parts`].
    pub fn of_parts(parts: Parts) -> Self {
        let width = parts.mean.len();
        let length = |(codes, scale): (&[i8], &f32)| {
            let squares: i64 = codes.iter().map(|&c| i64::from(c) * i64::from(c)).sum();
            f64::from(*scale) * (squares as f64).sqrt()
        };
        let rows = parts.codes.par_chunks_exact(width.max(1)).zip(&parts.scales);
        let radius = rows.map(length).reduce(|| 0., f64::max);
        Self { width, parts, radius }
    }

    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    pub fn rows(&self) -> usize {
        self.parts.scales.len()
    }

    /// Estimates the cosine of each row with `query`, `[width]`.
    pub fn scan(&self, query: &[f32]) -> Scan<'_> {
        let query = self.query(query);
        let estimates = self.estimates(std::slice::from_ref(&query));
        Scan { codes: self, error: query.error, estimates }
    }

    /// Scans several queries in one pass over the codes.
    pub fn scan_all(&self, queries: &[&[f32]]) -> Vec<Scan<'_>> {
        let queries: Vec<Query> = queries.iter().map(|query| self.query(query)).collect();
        let estimates = self.estimates(&queries);
        let of_query = |(number, query): (usize, &Query)| {
            let own = estimates.iter().skip(number).step_by(queries.len()).copied();
            Scan { codes: self, error: query.error, estimates: own.collect() }
        };
        queries.iter().enumerate().map(of_query).collect()
    }

    /// Returns estimated cosines, `[rows, queries]`.
    fn estimates(&self, queries: &[Query]) -> Vec<f32> {
        let (width, count) = (self.width, queries.len());
        let numbers: Vec<i16> = queries.iter().flat_map(|query| query.numbers.clone()).collect();
        let mut estimates = vec![0.; self.rows() * count];
        let chunks = estimates.par_chunks_mut(CHUNK * count);
        let chunks = chunks.zip(self.parts.codes.par_chunks(CHUNK * width));
        chunks.zip(self.parts.scales.par_chunks(CHUNK)).for_each(|((estimates, codes), scales)| {
            let products = kernel::products(codes, &numbers, width);
            let rows = products.chunks_exact(count).zip(estimates.chunks_exact_mut(count));
            for ((products, estimates), scale) in rows.zip(scales) {
                for ((product, estimate), query) in products.iter().zip(estimates).zip(queries) {
                    let delta = f64::from(*scale) * query.scale * f64::from(*product);
                    *estimate = (query.along + delta) as f32;
                }
            }
        });
        estimates
    }

    fn query(&self, query: &[f32]) -> Query {
        let unit = unit(query);
        // The sum of `width` products must fit in i32.
        let most = (f64::from(i32::MAX) / (MAX_CODE * self.width as f64)).floor().min(MAX_QUERY);
        let scale = max_magnitude(&unit) / most;
        let numbers: Vec<i16> = unit.iter().map(|x| quantize(*x, scale, most) as i16).collect();
        let missed = unit.iter().zip(&numbers).map(|(x, n)| (x - scale * f64::from(*n)).powi(2));
        let error = missed.sum::<f64>().sqrt() * self.radius + ROUNDING;
        let along = unit.iter().zip(&self.parts.mean).map(|(x, m)| x * f64::from(*m)).sum();
        Query { numbers, scale, along, error }
    }
}

/// A query's code.
struct Query {
    /// d, `[width]`
    numbers: Vec<i16>,
    /// t
    scale: f64,
    /// `q·m`
    along: f64,
    /// The query's contribution to the error of every estimate.
    error: f64,
}

impl Code {
    fn new(row: &[f32], mean: &[f32]) -> Self {
        let delta: Vec<f64> = unit(row).iter().zip(mean).map(|(x, m)| x - f64::from(*m)).collect();
        // Round the scale first, so that the error refers to the stored scale.
        let scale = (max_magnitude(&delta) / MAX_CODE) as f32;
        let numbers: Vec<i8> =
            delta.iter().map(|x| quantize(*x, f64::from(scale), MAX_CODE) as i8).collect();
        let missed = |(x, n): (&f64, &i8)| (x - f64::from(scale) * f64::from(*n)).powi(2);
        let error = delta.iter().zip(&numbers).map(missed).sum::<f64>().sqrt();
        Self { numbers, scale, error: (error as f32).next_up() }
    }
}

/// The mean of the rows' unit vectors.
fn mean_direction(rows: &[f32], width: usize) -> Vec<f32> {
    // Chunk sums are added in order, so the result does not depend on the number of threads.
    let sum = |rows: &[f32]| {
        let mut sum = vec![0.; width];
        for row in rows.chunks_exact(width) {
            sum.iter_mut().zip(unit(row)).for_each(|(sum, x)| *sum += x);
        }
        sum
    };
    let sums: Vec<Vec<f64>> = rows.par_chunks(CHUNK * width).map(sum).collect();
    let count = (rows.len() / width).max(1) as f64;
    let mean = |index: usize| sums.iter().map(|sum| sum[index]).sum::<f64>() / count;
    (0..width).map(|index| mean(index) as f32).collect()
}

/// Returns `x / |x|`; 0 if `x` is 0.
fn unit(x: &[f32]) -> Vec<f64> {
    let size = super::dot(x, x).sqrt();
    let factor = if size > 0. { 1. / size } else { 0. };
    x.iter().map(|x| f64::from(*x) * factor).collect()
}

fn max_magnitude(x: &[f64]) -> f64 {
    x.iter().fold(0., |most, x| x.abs().max(most))
}

/// Rounds `x / scale` to an integer, clamped to ±`most`.
fn quantize(x: f64, scale: f64, most: f64) -> f64 {
    if scale > 0. { (x / scale).round().clamp(-most, most) } else { 0. }
}

/// Estimated cosines of all rows with one query.
pub struct Scan<'a> {
    codes: &'a Codes,
    /// The query's contribution to the error of every estimate.
    error: f64,
    estimates: Vec<f32>,
}

/// A row that may be among the nearest.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub row: usize,
    /// Upper bound of its cosine.
    pub highest: f64,
}

/// A totally ordered number, never NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sortable(f64);

impl Eq for Sortable {}

impl PartialOrd for Sortable {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sortable {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Scan<'_> {
    /// Returns lower and upper bounds of a row's cosine.
    pub fn bounds(&self, row: usize) -> (f64, f64) {
        let error = f64::from(self.codes.parts.errors[row]) + self.error;
        let estimate = f64::from(self.estimates[row]);
        (estimate - error, estimate + error)
    }

    /// Returns every row that may be among the `k` nearest rows that `accept` returns true for, by
    /// decreasing upper bound. A row is omitted only if `k` others are certainly more similar.
    pub fn candidates(&self, k: usize, accept: impl Fn(usize) -> bool) -> Vec<Candidate> {
        if k == 0 {
            return Vec::new();
        }
        let mut lowest: BinaryHeap<Reverse<Sortable>> = BinaryHeap::new();
        let mut certain = f64::NEG_INFINITY;
        for row in 0..self.estimates.len() {
            let (low, _) = self.bounds(row);
            if low > certain && accept(row) {
                lowest.push(Reverse(Sortable(low)));
                if lowest.len() > k {
                    lowest.pop();
                }
                if lowest.len() == k {
                    certain = lowest.peek().map_or(certain, |least| least.0.0);
                }
            }
        }
        let candidate = |row: usize| {
            let (_, highest) = self.bounds(row);
            (highest >= certain && accept(row)).then_some(Candidate { row, highest })
        };
        let mut found: Vec<Candidate> = (0..self.estimates.len()).filter_map(candidate).collect();
        found.sort_by(|a, b| b.highest.total_cmp(&a.highest).then(a.row.cmp(&b.row)));
        found
    }
}
