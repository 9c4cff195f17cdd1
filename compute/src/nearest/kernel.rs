//! Integer dot products of 8-bit codes with queries.

use pulp::{Simd, WithSimd};

use crate::backend::cpu::Isa;

/// Computes `Σ query · code` for each query and row of codes. The integer sums are exact, so the
/// result does not depend on the instruction set.
struct Products<'a> {
    codes: &'a [i8],
    /// `[queries, width]`
    queries: &'a [i16],
    width: usize,
    /// `[rows, queries]`
    products: &'a mut [i32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { codes, queries, width, products } = self;
        let count = queries.len() / width;
        for (code, products) in codes.chunks_exact(width).zip(products.chunks_exact_mut(count)) {
            for (query, product) in queries.chunks_exact(width).zip(products) {
                *product = dot(code, query);
            }
        }
    }
}

/// Vectorized to packed multiply-adds for the instruction set that it is inlined into.
#[inline(always)]
fn dot(code: &[i8], query: &[i16]) -> i32 {
    let product = |(code, query): (&i8, &i16)| i32::from(*code) * i32::from(*query);
    code.iter().zip(query).map(product).sum()
}

/// Returns the dot products of codes `[rows, width]` with `queries` `[queries, width]`, as
/// `[rows, queries]`.
pub fn products(codes: &[i8], queries: &[i16], width: usize) -> Vec<i32> {
    let mut products = vec![0; codes.len() / width * (queries.len() / width)];
    Isa::best().run(Products { codes, queries, width, products: &mut products });
    products
}
