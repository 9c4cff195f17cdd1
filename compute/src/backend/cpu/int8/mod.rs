//! Products in 8-bit integers, for forward rows that allow a lower precision.
//!
//! Weights are rounded to 255 levels per output, activations to 256 levels per token, whose range
//! is measured anew each time; both have levels of their own in each block of the inner dimension.
//! The integer sums are exact, and a token's levels depend on nothing but itself, so a row's result
//! is bitwise identical alone, in a batch, and on any number of threads.

mod product;
mod quantise;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub use product::Map;
pub use quantise::Rounded;
use quantise::{GROUP, PANEL, Panel, RoundedRow};

use super::Isa;

/// Rows of a tile. With VNNI, its sums of a block and in total are in registers, and enough of them
/// that none waits for the one before.
const TILE: usize = 4;

/// The sums of one row of a tile, one per column of a panel.
type Sums = [f32; PANEL];

/// What multiplies 8-bit integers.
#[derive(Debug, Clone, Copy)]
pub enum Int8 {
    /// Any processor. The same sums, but slower than products in f32: for tests.
    Portable,
    /// AVX512-VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni(vnni::Vnni),
}

impl Int8 {
    /// Returns the instructions that are faster than products in f32 with `isa`, if this processor
    /// has them.
    pub fn of(isa: Isa) -> Option<Self> {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => vnni::Vnni::try_new().map(Self::Vnni),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(_) => "vnni",
        }
    }

    /// Writes the products of up to [`TILE`] rows with a panel of weights.
    fn multiply(self, rows: &[RoundedRow<'_>], panel: Panel<'_>, sums: &mut [Sums; TILE]) {
        macro_rules! heights {
            ($($m:literal)*) => {
                match rows.len() {
                    $($m => {
                        let rows = std::array::from_fn(|i| rows[i]);
                        sums[..$m].copy_from_slice(&self.tile::<$m>(rows, panel));
                    })*
                    height => unreachable!("a tile of {height} rows"),
                }
            };
        }
        heights!(1 2 3 4);
    }

    #[inline(always)]
    fn tile<const M: usize>(self, rows: [RoundedRow<'_>; M], panel: Panel<'_>) -> [Sums; M] {
        match self {
            Self::Portable => rows.map(|row| portable(row, panel)),
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(vnni) => vnni.multiply(rows, panel),
        }
    }
}

fn portable((groups, levels): RoundedRow<'_>, (blocks, scales): Panel<'_>) -> Sums {
    let mut totals = [0f32; PANEL];
    for ((groups, levels), (block, scales)) in
        groups.iter().zip(levels).zip(blocks.iter().zip(scales))
    {
        let mut sums = [0i32; PANEL];
        for (group, weights) in groups.iter().zip(block) {
            let weights: &[[i8; GROUP]] = bytemuck::must_cast_slice(weights);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                let pairs = group.to_le_bytes().into_iter().zip(weights);
                *sum += pairs.map(|(x, w)| i32::from(x) * i32::from(*w)).sum::<i32>();
            }
        }
        for (i, total) in totals.iter_mut().enumerate() {
            *total = levels.lowest.mul_add(scales.total[i], *total);
            *total = levels.level.mul_add(sums[i] as f32 * scales.level[i], *total);
        }
    }
    totals
}
