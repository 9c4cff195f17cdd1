//! AVX512-VNNI, whose instruction multiplies and adds 64 pairs of 8-bit integers.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m512, __m512i, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
};

use pulp::core_arch::x86::Avx512vnni;

use super::Sums;
use super::quantise::{BLOCK, Panel, RoundedRow};

/// A value exists only on processors that have the instructions.
#[derive(Debug, Clone, Copy)]
pub struct Vnni(Avx512vnni);

impl Vnni {
    pub fn try_new() -> Option<Self> {
        Avx512vnni::try_new().map(Self)
    }

    /// Returns the products of `M` rows with a panel.
    #[inline(always)]
    pub fn multiply<const M: usize>(
        self,
        rows: [RoundedRow<'_>; M],
        (blocks, scales): Panel<'_>,
    ) -> [Sums; M] {
        let blocks: &[[[__m512i; 2]; BLOCK]] = bytemuck::must_cast_slice(blocks);
        let scales: &[[[__m512; 2]; 2]] = bytemuck::must_cast_slice(scales);
        // SAFETY: `self` exists, so this processor has the instructions.
        unsafe { multiply(rows, blocks, scales) }.map(bytemuck::must_cast)
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply<const M: usize>(
    rows: [RoundedRow<'_>; M],
    blocks: &[[[__m512i; 2]; BLOCK]],
    scales: &[[[__m512; 2]; 2]],
) -> [[__m512; 2]; M] {
    let mut totals = [[_mm512_setzero_ps(); 2]; M];
    for (number, (block, [level, total])) in blocks.iter().zip(scales).enumerate() {
        let groups = rows.map(|(groups, _)| &groups[number]);
        let mut sums = [[_mm512_setzero_si512(); 2]; M];
        for (k, weights) in block.iter().enumerate() {
            for (sums, row) in sums.iter_mut().zip(groups) {
                let group = _mm512_set1_epi32(row[k].cast_signed());
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm512_dpbusd_epi32(*sum, group, *weights);
                }
            }
        }
        for ((totals, sums), (_, levels)) in totals.iter_mut().zip(sums).zip(rows) {
            let own = _mm512_set1_ps(levels[number].level);
            let lowest = _mm512_set1_ps(levels[number].lowest);
            for v in 0..2 {
                let sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[v]), level[v]);
                totals[v] = _mm512_fmadd_ps(lowest, total[v], totals[v]);
                totals[v] = _mm512_fmadd_ps(own, sum, totals[v]);
            }
        }
    }
    totals
}
