//! Normal numbers, drawn where they are used.

use candle_core::{Layout, Result, Shape, Tensor, WithDType};

#[cfg(feature = "cuda")]
use super::cuda;
use super::{Input, Kernel, Op, numbers};
use crate::random::Generator;

/// Returns `width` normal numbers for each token, from the generator in its state; zeros where the
/// level is 0. Levels `[tokens]`, states `[tokens]` as i64 → `[tokens, width]`.
pub fn normals(levels: &Tensor, states: &Tensor, width: usize) -> Result<Tensor> {
    levels.apply_op2_no_bwd(states, &Op(Normals { width }))
}

/// Of levels and states.
struct Normals {
    width: usize,
}

impl Kernel<2> for Normals {
    const NAME: &'static str = "normals";

    fn shape(&self, [levels, _]: [&Layout; 2]) -> Result<Shape> {
        Ok((levels.dims()[0], self.width).into())
    }

    fn compute<T: WithDType>(&self, [levels, states]: [Input<'_>; 2]) -> Result<Vec<T>> {
        let (levels, states) = (numbers::<T>(levels)?, numbers::<i64>(states)?);
        let mut all = vec![T::zero(); levels.len() * self.width];
        let tokens = all.chunks_exact_mut(self.width).zip(levels.iter().zip(states));
        for (numbers, (_, &state)) in tokens.filter(|(_, (level, _))| level.to_f64() != 0.) {
            let mut generator = Generator::at(state as u64);
            numbers.iter_mut().for_each(|number| *number = T::from_f64(generator.normal()));
        }
        Ok(all)
    }

    #[cfg(feature = "cuda")]
    fn launch(&self, [levels, states]: [cuda::Input<'_>; 2]) -> Result<candle_core::CudaStorage> {
        let rows = levels.1.dims()[0];
        cuda::Launch {
            name: Self::NAME,
            inputs: &[levels],
            indices: Some(states),
            by: cuda::By::Threads,
            out: rows * self.width,
            integers: &[rows, self.width],
            reals: &[],
        }
        .run()
    }
}
