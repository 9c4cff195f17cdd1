//! Products in 8-bit integers, for forward rows that allow a lower precision.
//!
//! Weights are rounded to 255 levels per output, activations to 256 levels per token, whose range
//! is measured anew each time. The integer sums are exact, and a token's levels depend on nothing
//! but itself, so a row's result is bitwise identical alone, in a batch, and on any number of
//! threads.

mod product;
mod quantise;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub use product::Map;
pub use quantise::Rounded;
use quantise::{Bytes, GROUP, PANEL};

use super::Isa;

/// Rows of a tile. With VNNI, its sums leave registers for the weights.
const TILE: usize = 12;

/// The sums of one row of a tile, one per column of a panel.
type Sums = [i32; PANEL];

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
    fn multiply(self, rows: &[&[u32]], panel: &[[Bytes; 2]], sums: &mut [Sums; TILE]) {
        macro_rules! heights {
            ($($m:literal)*) => {
                match rows.len() {
                    $($m => {
                        let rows = std::array::from_fn(|i| &rows[i][..panel.len()]);
                        sums[..$m].copy_from_slice(&self.tile::<$m>(rows, panel));
                    })*
                    height => unreachable!("a tile of {height} rows"),
                }
            };
        }
        heights!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    #[inline(always)]
    fn tile<const M: usize>(self, rows: [&[u32]; M], panel: &[[Bytes; 2]]) -> [Sums; M] {
        match self {
            Self::Portable => portable(rows, panel),
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(vnni) => vnni.multiply(rows, panel),
        }
    }
}

fn portable<const M: usize>(rows: [&[u32]; M], panel: &[[Bytes; 2]]) -> [Sums; M] {
    rows.map(|row| {
        let mut sums = [0; PANEL];
        for (group, weights) in row.iter().zip(panel) {
            let weights: &[[i8; GROUP]] = bytemuck::cast_slice(weights);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                let pairs = group.to_ne_bytes().into_iter().zip(weights);
                *sum += pairs.map(|(x, w)| i32::from(x) * i32::from(*w)).sum::<i32>();
            }
        }
        sums
    })
}
