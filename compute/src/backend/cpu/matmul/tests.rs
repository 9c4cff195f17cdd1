//! Compares products with plain loops, on integers so that every sum is exact. Small enough for an
//! interpreter that checks each memory access: scripts/unsafe.

use std::panic::catch_unwind;
use std::thread;

use super::super::Isa;
use super::*;

type Matrix = Vec<Vec<f32>>;

/// Rows, inner dimension, columns: sizes that do not fill registers, tiles or panels, and one
/// whose inner dimension is processed in two parts.
const SIZES: [(usize, usize, usize); 4] = [(1, 1, 1), (3, 5, 17), (14, 7, 40), (2, 258, 33)];

/// Reproducible integers from -3 to 3.
fn matrix(rows: usize, columns: usize, seed: usize) -> Matrix {
    let number = |i: usize, j: usize| ((i * 31 + j * 17 + seed * 13) * 2_654_435 / 7 % 7) as f32;
    (0..rows).map(|i| (0..columns).map(|j| number(i, j) - 3.).collect()).collect()
}

fn array(matrix: &Matrix) -> Array {
    let mut array = Array::zeros(matrix.len(), matrix[0].len());
    for (i, row) in matrix.iter().enumerate() {
        array.row_mut(i)[..row.len()].copy_from_slice(row);
    }
    array
}

fn panels(isa: Isa, matrix: &Matrix) -> Panels {
    Panels::of_rows(isa, matrix.len(), matrix[0].len(), |k| &matrix[k])
}

fn multiplied(left: &Matrix, right: &Matrix) -> Matrix {
    let sum = |row: &[f32], j: usize| row.iter().zip(right).map(|(x, other)| x * other[j]).sum();
    left.iter().map(|row| (0..right[0].len()).map(|j| sum(row, j)).collect()).collect()
}

/// Returns `columns` of each row of `stride` numbers, starting at `first`.
fn columns_of(data: &[f32], stride: usize, first: usize, columns: usize) -> Matrix {
    data.chunks(stride).map(|row| row[first..first + columns].to_vec()).collect()
}

/// Returns twice the sum, and its negative for the second output.
struct Twice;

impl Finish for Twice {
    fn finish<S: Simd>(&self, simd: S, _: usize, _: usize, sum: S::f32s) -> (S::f32s, S::f32s) {
        (simd.add_f32s(sum, sum), simd.neg_f32s(sum))
    }
}

#[test]
fn every_start_and_two_products() {
    for (isa, (rows, depth, columns)) in cases() {
        let (left, right) = (matrix(rows, depth, 1), matrix(depth, columns, 2));
        let (onto, bias) = (matrix(rows, columns, 3), matrix(1, columns, 4));
        let (onto_array, bias_array) = (array(&onto), array(&bias));
        let bias_row = bias_array.row(0);
        let plain = multiplied(&left, &right);
        for (with_bias, with_onto, start) in [
            (0., 0., Start::Zero),
            (1., 0., Start::Bias(bias_row)),
            (0., 1., Start::Onto(&onto_array)),
            (1., 1., Start::BiasOnto(bias_row, &onto_array)),
        ] {
            let (mut first, mut second) =
                (Array::zeros(rows, columns), Array::zeros(rows, columns));
            let (left, right) = (array(&left), panels(isa, &right));
            let (a, b) = (Out::of(&mut first), Out::of(&mut second));
            matmul(Threads(1), Left::of(&left), &right, start, &a, Some(&b), &Twice);
            for (i, row) in plain.iter().enumerate() {
                for (j, sum) in row.iter().enumerate() {
                    let sum = sum + with_bias * bias[0][j] + with_onto * onto[i][j];
                    assert_eq!((first.row(i)[j], second.row(i)[j]), (2. * sum, -sum));
                }
            }
        }
    }
}

/// Every size on every available instruction set.
fn cases() -> impl Iterator<Item = (Isa, (usize, usize, usize))> {
    Isa::available().into_iter().flat_map(|isa| SIZES.map(|size| (isa, size)))
}

/// A product within a kernel, written to the second of three blocks.
struct InKernel<'a> {
    left: Left<'a>,
    right: Right<'a>,
    out: &'a Out<'a>,
}

impl WithSimd for InKernel<'_> {
    type Output = ();

    fn with_simd<S: Simd>(self, simd: S) {
        product(simd, self.left, self.right, self.out);
    }
}

#[test]
fn transposed_left_and_unpacked_right() {
    for (isa, (rows, depth, columns)) in cases() {
        let (left, right) = (matrix(rows, depth, 1), matrix(depth, columns, 2));
        let transposed: Matrix =
            (0..depth).map(|k| left.iter().map(|row| row[k]).collect()).collect();
        let (transposed, wide) = (array(&transposed), array(&right));
        let lhs = Left { data: transposed.as_slice(), rows, row: 1, column: transposed.stride() };
        let rhs = Right::rows(wide.as_slice(), depth, columns, wide.stride());
        // Blocks as narrow as a head; adjacent blocks must not be written.
        let stride = 3 * columns;
        let mut data = vec![9.; rows * stride];
        let blocks: Vec<Out> = Out::side_by_side(&mut data, stride, columns).collect();
        isa.run(InKernel { left: lhs, right: rhs, out: &blocks[1] });
        let untouched = vec![vec![9.; columns]; rows];
        assert_eq!(columns_of(&data, stride, columns, columns), multiplied(&left, &right));
        assert_eq!(columns_of(&data, stride, 0, columns), untouched);
        assert_eq!(columns_of(&data, stride, 2 * columns, columns), untouched);
    }
}

/// Splits products as `matmul` does, at sizes that it would not split.
#[test]
fn threads_write_disjoint_parts() {
    for (isa, (rows, depth, columns)) in cases() {
        let (left, right) = (matrix(rows, depth, 1), matrix(depth, columns, 2));
        let (lhs, rhs) = (array(&left), panels(isa, &right));
        let count = padded(columns).div_ceil(isa.panel());
        let halves = |all: usize| [0..all / 2, all / 2..all];
        let by_rows = halves(rows).map(|rows| (rows, 0..count));
        let by_panels = halves(count).map(|panels| (0..rows, panels));
        for parts in [by_rows, by_panels] {
            let mut y = Array::zeros(rows, columns);
            let product = Product {
                left: Left::of(&lhs),
                right: Right::packed(&rhs),
                start: Start::Zero,
                out: &Out::of(&mut y),
                second: None,
            };
            product.check();
            let whole = Part { product, finish: &Sum, rows: 0..0, panels: 0..0 };
            thread::scope(|scope| {
                for (rows, panels) in parts {
                    let part = Part { rows, panels, ..whole.clone() };
                    scope.spawn(move || isa.run(part));
                }
            });
            let stride = y.stride();
            assert_eq!(columns_of(y.as_slice(), stride, 0, columns), multiplied(&left, &right));
        }
    }
}

#[test]
fn out_of_bounds_operands_are_refused() {
    let (left, right) = (array(&matrix(3, 5, 1)), panels(Isa::Portable, &matrix(5, 17, 2)));
    let run = |left: Left<'_>, len: usize| {
        let mut data = vec![0.; len];
        let out = Out::new(&mut data, 32, 32);
        matmul(Threads(1), left, &right, Start::Zero, &out, None, &Sum);
    };
    let whole = Left::of(&left);
    assert!(catch_unwind(|| run(whole, 96)).is_ok());
    assert!(catch_unwind(|| run(whole, 95)).is_err(), "the output is too short");
    let short = Left { data: &left.as_slice()[..36], ..whole };
    assert!(catch_unwind(|| run(short, 96)).is_err(), "the left-hand side is too short");
    let narrow = vec![0.; 47];
    assert!(catch_unwind(|| Right::rows(&narrow, 3, 16, 16)).is_err(), "so is the right");
}
