//! Launches the kernels of `rows.cu`.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{LaunchConfig, PushKernelArg};
use candle_core::cuda::cudarc::nvrtc::compile_ptx;
use candle_core::cuda::{CudaError, WrapErr};
use candle_core::{CudaStorage, Layout, Result, bail};

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

/// A kernel with its arguments: inputs, output, integers and reals.
struct Launch<'a> {
    name: &'static str,
    inputs: &'a [Input<'a>],
    /// An input of integers after the others.
    states: Option<Input<'a>>,
    blocks: usize,
    /// Numbers of the output.
    out: usize,
    integers: &'a [i32],
    reals: &'a [f32],
}

impl Launch<'_> {
    // Kernels read and write what their arguments say: the shapes are checked where they are made.
    #[allow(unsafe_code)]
    fn run(self) -> Result<CudaStorage> {
        let device = self.inputs[0].0.device().clone();
        let function = device.get_or_load_custom_func(self.name, "explaind", ptx()?)?;
        let part = |layout: &Layout| match layout.contiguous_offsets() {
            Some((start, end)) => Ok(start..end),
            None => bail!("{}: a kernel needs contiguous arrays", self.name),
        };
        let mut views = Vec::with_capacity(self.inputs.len());
        for (storage, layout) in self.inputs {
            views.push(storage.as_cuda_slice::<f32>()?.slice(part(layout)?));
        }
        let states = match self.states {
            Some((storage, layout)) => Some(storage.as_cuda_slice::<i64>()?.slice(part(layout)?)),
            None => None,
        };
        let mut out = unsafe { device.alloc::<f32>(self.out)? };
        let Ok(blocks) = u32::try_from(self.blocks) else {
            return Err(CudaError::InternalError("too many blocks").into());
        };
        let config = LaunchConfig {
            grid_dim: (blocks, 1, 1),
            block_dim: (THREADS as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        let mut builder = function.builder();
        for view in &views {
            builder.arg(view);
        }
        if let Some(states) = &states {
            builder.arg(states);
        }
        builder.arg(&mut out);
        for integer in self.integers {
            builder.arg(integer);
        }
        for real in self.reals {
            builder.arg(real);
        }
        unsafe { builder.launch(config) }.w()?;
        drop(builder);
        Ok(CudaStorage::wrap_cuda_slice(out, device))
    }
}

/// Runs a kernel with a block per row of `out`.
pub fn by_rows(
    name: &'static str,
    inputs: &[Input<'_>],
    out: &Layout,
    eps: f64,
) -> Result<CudaStorage> {
    let (rows, width) = out.shape().dims2()?;
    Launch {
        name,
        inputs,
        states: None,
        blocks: rows,
        out: rows * width,
        integers: &[rows as i32, width as i32],
        reals: &[eps as f32],
    }
    .run()
}

/// `[kind, derivative]` as in `rows.cu`.
pub fn activate(
    name: &'static str,
    inputs: &[Input<'_>; 2],
    [kind, derivative]: [i32; 2],
) -> Result<CudaStorage> {
    let (rows, width) = inputs[0].1.shape().dims2()?;
    Launch {
        name,
        inputs,
        states: None,
        blocks: (rows * width).div_ceil(THREADS),
        out: rows * width,
        integers: &[rows as i32, width as i32, kind, derivative],
        reals: &[],
    }
    .run()
}

/// Runs a kernel with a warp per query of the first input, `[spans, heads, queries, keys]`, and
/// `more` integers after the numbers of rows and keys.
pub fn by_queries(
    name: &'static str,
    inputs: &[Input<'_>; 2],
    more: &[i32],
    scale: f64,
) -> Result<CudaStorage> {
    let (spans, heads, queries, keys) = inputs[0].1.shape().dims4()?;
    let rows = spans * heads * queries;
    Launch {
        name,
        inputs,
        states: None,
        blocks: rows.div_ceil(THREADS / WARP),
        out: rows * keys,
        integers: &[&[rows as i32, keys as i32], more].concat(),
        reals: &[scale as f32],
    }
    .run()
}

pub fn normals(
    name: &'static str,
    levels: Input<'_>,
    states: Input<'_>,
    width: usize,
) -> Result<CudaStorage> {
    let rows = levels.1.dims()[0];
    Launch {
        name,
        inputs: &[levels],
        states: Some(states),
        blocks: (rows * width).div_ceil(THREADS),
        out: rows * width,
        integers: &[rows as i32, width as i32],
        reals: &[],
    }
    .run()
}
