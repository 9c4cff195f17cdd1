//! Calls of cuBLAS that candle does not have.

use std::ffi::{c_int, c_void};

use candle_core::backend::BackendStorage;
use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::cublas::{result, sys};
use candle_core::cuda::cudarc::driver::{DevicePtr, DevicePtrMut};
use candle_core::{CudaStorage, Result, bail};
use half::bf16;

use super::cuda::Input;

/// Returns `x W` in f32, for x, `[n, k]`, and W, `[k, m]`, in bf16. The rows of both are contiguous, or
/// the columns of W.
#[allow(unsafe_code)]
pub fn product(
    [n, k, m]: [usize; 3],
    (x, x_layout): Input<'_>,
    (weight, weight_layout): Input<'_>,
) -> Result<CudaStorage> {
    let device = x.device().clone();
    let stream = device.cuda_stream();
    // Row-major arrays are transposed ones for cuBLAS: Yᵀ = Wᵀ xᵀ.
    let (transposition, weight_rows) = match *weight_layout.stride() {
        [rows, 1] => (sys::cublasOperation_t::CUBLAS_OP_N, rows),
        [1, columns] => (sys::cublasOperation_t::CUBLAS_OP_T, columns),
        _ => bail!("product: the weight has neither contiguous rows nor columns"),
    };
    let [x_rows, 1] = *x_layout.stride() else {
        bail!("product: the rows are not contiguous");
    };
    let x = x.as_cuda_slice::<bf16>()?.slice(x_layout.start_offset()..);
    let weight = weight.as_cuda_slice::<bf16>()?.slice(weight_layout.start_offset()..);
    let mut y = unsafe { device.alloc::<f32>(n * m)? };
    let (one, zero) = (1f32, 0f32);
    {
        let (x, _x) = x.device_ptr(&stream);
        let (weight, _weight) = weight.device_ptr(&stream);
        let (y, _y) = y.device_ptr_mut(&stream);
        // The sizes and strides are those of the arrays; cuBLAS reads the two factors at the call.
        unsafe {
            result::gemm_ex(
                *device.cublas_handle().handle(),
                transposition,
                sys::cublasOperation_t::CUBLAS_OP_N,
                m as c_int,
                n as c_int,
                k as c_int,
                (&raw const one).cast(),
                weight as *const c_void,
                sys::cudaDataType::CUDA_R_16BF,
                weight_rows as c_int,
                x as *const c_void,
                sys::cudaDataType::CUDA_R_16BF,
                x_rows as c_int,
                (&raw const zero).cast(),
                y as *mut c_void,
                sys::cudaDataType::CUDA_R_32F,
                m as c_int,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .w()?;
    }
    Ok(CudaStorage::wrap_cuda_slice(y, device))
}
