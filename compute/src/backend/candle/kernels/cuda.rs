//! Launches the kernels of `rows.cu`.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{LaunchConfig, PushKernelArg};
use candle_core::cuda::cudarc::nvrtc::compile_ptx;
use candle_core::cuda::{CudaError, WrapErr};
use candle_core::{CudaStorage, Layout, Result, bail};

use super::stride_of_rows;

/// A tensor's storage and which part of it it is.
pub type Input<'a> = (&'a CudaStorage, &'a Layout);

/// Threads of a block, in `rows.cu`, too.
const THREADS: usize = 256;
const WARP: usize = 32;

/// Returns the compiled kernels, for any GPU: its driver compiles them further.
fn ptx() -> Result<&'static str> {
    static PTX: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let compiled = PTX.get_or_init(|| match compile_ptx(include_str!("rows.cu")) {
        Ok(ptx) => Ok(ptx.to_src()),
        Err(error) => Err(format!("{error:?}")),
    });
    match compiled {
        Ok(ptx) => Ok(ptx),
        Err(error) => bail!("the kernels cannot be compiled: {error}"),
    }
}

/// What computes the output.
pub enum By {
    /// A block for each of so many rows.
    Blocks(usize),
    /// A warp for each of so many rows.
    Warps(usize),
    /// A thread for each number, which 32 bits count.
    Threads,
}

/// A kernel with its arguments: inputs, output, integers and reals.
pub struct Launch<'a> {
    pub name: &'static str,
    pub inputs: &'a [Input<'a>],
    /// An input of integers after the others.
    pub indices: Option<Input<'a>>,
    pub by: By,
    /// Numbers of the output.
    pub out: usize,
    pub integers: &'a [usize],
    pub reals: &'a [f64],
}

impl Launch<'_> {
    // Kernels read and write what their arguments say: the shapes are checked where they are made.
    #[allow(unsafe_code)]
    pub fn run(self) -> Result<CudaStorage> {
        let device = self.inputs[0].0.device().clone();
        let function = device.get_or_load_custom_func(self.name, "explaind", ptx()?)?;
        let part = |layout: &Layout| match layout.contiguous_offsets() {
            Some((start, end)) => Ok(start..end),
            // Columns of a matrix; the kernel knows the distance between rows.
            None => {
                let ((rows, width), stride) = (layout.shape().dims2()?, stride_of_rows(layout)?);
                let start = layout.start_offset();
                Result::Ok(start..start + (rows - 1) * stride + width)
            }
        };
        let mut views = Vec::with_capacity(self.inputs.len());
        for (storage, layout) in self.inputs {
            views.push(storage.as_cuda_slice::<f32>()?.slice(part(layout)?));
        }
        let indices = match self.indices {
            Some((storage, layout)) => Some(storage.as_cuda_slice::<i64>()?.slice(part(layout)?)),
            None => None,
        };
        let mut out = unsafe { device.alloc::<f32>(self.out)? };
        let (blocks, counted) = match self.by {
            By::Blocks(rows) => (rows, rows),
            By::Warps(rows) => (rows.div_ceil(THREADS / WARP), rows),
            By::Threads => (self.out.div_ceil(THREADS), self.out.next_multiple_of(THREADS)),
        };
        let (Ok(blocks), Ok(_)) = (u32::try_from(blocks), u32::try_from(counted)) else {
            return Err(CudaError::InternalError("too many numbers for a kernel").into());
        };
        let config = LaunchConfig {
            grid_dim: (blocks, 1, 1),
            block_dim: (THREADS as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        let integers: Vec<i32> = self.integers.iter().map(|&integer| integer as i32).collect();
        let reals: Vec<f32> = self.reals.iter().map(|&real| real as f32).collect();
        let mut builder = function.builder();
        for view in &views {
            builder.arg(view);
        }
        if let Some(indices) = &indices {
            builder.arg(indices);
        }
        builder.arg(&mut out);
        for integer in &integers {
            builder.arg(integer);
        }
        for real in &reals {
            builder.arg(real);
        }
        unsafe { builder.launch(config) }.w()?;
        drop(builder);
        Ok(CudaStorage::wrap_cuda_slice(out, device))
    }
}
