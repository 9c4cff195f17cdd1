//! The vector instruction set, chosen at run time. Every kernel is written once, generic over
//! [`Simd`], and compiled for each set.

use pulp::{Scalar128b, Simd, WithSimd};

/// A vector instruction set that this processor supports.
#[derive(Debug, Clone, Copy)]
pub enum Isa {
    /// The baseline of the compilation target.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
}

impl Isa {
    /// Returns all sets that this processor supports, slowest first.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(pulp::x86::V3::try_new().map(Self::Avx2));
            sets.extend(pulp::x86::V4::try_new().map(Self::Avx512));
        }
        sets
    }

    /// Returns the fastest set that this processor supports.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
        }
    }

    /// Runs `kernel` compiled for this set.
    pub fn run<K: WithSimd>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable => Simd::vectorize(Scalar128b, kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => Simd::vectorize(simd, kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => Simd::vectorize(simd, kernel),
        }
    }

    /// Returns the number of columns in a panel of weights: two registers.
    pub fn panel(self) -> usize {
        match self {
            Self::Portable => 2 * Scalar128b::F32_LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => 2 * pulp::x86::V3::F32_LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => 2 * pulp::x86::V4::F32_LANES,
        }
    }
}
