//! AVX512-VNNI, whose instruction multiplies and adds 64 pairs of 8-bit integers.
#![allow(unsafe_code)]

use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_set1_epi32, _mm512_setzero_si512};

use pulp::core_arch::x86::Avx512vnni;

use super::Sums;
use super::quantise::Bytes;

/// A value exists only on processors that have the instructions.
#[derive(Debug, Clone, Copy)]
pub struct Vnni(Avx512vnni);

impl Vnni {
    pub fn try_new() -> Option<Self> {
        Avx512vnni::try_new().map(Self)
    }

    /// Returns the products of `M` rows with a panel.
    #[inline(always)]
    pub fn multiply<const M: usize>(self, rows: [&[u32]; M], panel: &[[Bytes; 2]]) -> [Sums; M] {
        let panel: &[[__m512i; 2]] = bytemuck::must_cast_slice(panel);
        // SAFETY: `self` exists, so this processor has the instructions.
        unsafe { multiply(rows, panel) }.map(|sums| bytemuck::must_cast(sums))
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply<const M: usize>(rows: [&[u32]; M], panel: &[[__m512i; 2]]) -> [[__m512i; 2]; M] {
    let rows = rows.map(|row| &row[..panel.len()]);
    let mut sums = [[_mm512_setzero_si512(); 2]; M];
    for (k, weights) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let group = _mm512_set1_epi32(row[k].cast_signed());
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpbusd_epi32(*sum, group, *weights);
            }
        }
    }
    sums
}
