//! Normal numbers, drawn where they are used.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::{Input, Twin, numbers, run};
use crate::random::Generator;

/// Returns `width` normal numbers for each token, from the generator in its state; zeros where the
/// level is 0. Levels `[tokens]`, states `[tokens]` as i64 → `[tokens, width]`.
pub fn normals(levels: &Tensor, states: &Tensor, width: usize) -> Result<Tensor> {
    levels.apply_op2_no_bwd(states, &Normals { width })
}

/// Of levels and states.
struct Normals {
    width: usize,
}

struct NormalsTwin<'a> {
    width: usize,
    levels: Input<'a>,
    states: Input<'a>,
}

impl Twin for NormalsTwin<'_> {
    fn run<T: WithDType>(&self) -> Result<Vec<T>> {
        let (levels, states) = (numbers::<T>(self.levels)?, numbers::<i64>(self.states)?);
        let mut all = vec![T::zero(); levels.len() * self.width];
        let tokens = all.chunks_exact_mut(self.width).zip(levels.iter().zip(states));
        for (numbers, (_, &state)) in tokens.filter(|(_, (level, _))| level.to_f64() != 0.) {
            let mut generator = Generator::at(state as u64);
            numbers.iter_mut().for_each(|number| *number = T::from_f64(generator.normal()));
        }
        Ok(all)
    }
}

impl CustomOp2 for Normals {
    fn name(&self) -> &'static str {
        "normals"
    }

    fn cpu_fwd(
        &self,
        levels: &CpuStorage,
        levels_layout: &Layout,
        states: &CpuStorage,
        states_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (levels_input, states_input) = ((levels, levels_layout), (states, states_layout));
        let twin = NormalsTwin { width: self.width, levels: levels_input, states: states_input };
        Ok((run(&twin, levels)?, (levels_layout.dims()[0], self.width).into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        levels: &candle_core::CudaStorage,
        levels_layout: &Layout,
        states: &candle_core::CudaStorage,
        states_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::normals((levels, levels_layout), (states, states_layout), self.width)
    }
}
