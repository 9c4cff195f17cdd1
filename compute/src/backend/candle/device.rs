//! The device and the types that a model's arrays and products have there.

#[cfg(feature = "cuda")]
mod memory_pool;

use std::fmt;
use std::sync::{Arc, MutexGuard};
#[cfg(feature = "cuda")]
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Result, Tensor};

use super::buckets::Plans;
use super::transfer::on_device;
use crate::backend::DeviceMemory;

/// What the products of matrices are computed with. Everything else is computed in the type of
/// the arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Products {
    /// In the type of the arrays.
    Full,
    /// Factors rounded to 10 bits by the tensor cores of a GPU, sums in f32.
    Tf32,
    /// In linear maps of the layers, factors and results rounded to 8 bits (bf16), sums in f32; in
    /// attention as with [`Self::Tf32`] on a GPU, else in full.
    Bf16,
}

/// The GPUs that can be named; candle's errors number them.
const GPUS: [&str; 16] = [
    "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7", "cuda:8",
    "cuda:9", "cuda:10", "cuda:11", "cuda:12", "cuda:13", "cuda:14", "cuda:15",
];

/// A device and the types of numbers on it. Clones share what passes prepare for each other.
#[derive(Debug, Clone)]
pub struct Candle {
    /// The type of the arrays, f32 or f64.
    pub dtype: DType,
    pub products: Products,
    pub device: Device,
    name: &'static str,
    pub(super) plans: Arc<Plans>,
}

impl Candle {
    fn new(dtype: DType, device: Device, name: &'static str) -> Self {
        Self { dtype, products: Products::Full, device, name, plans: Arc::default() }
    }

    /// The reference that other back ends are checked against: f64 on the CPU.
    pub fn reference() -> Self {
        Self::new(DType::F64, Device::Cpu, "cpu")
    }

    /// What a GPU computes, in f32 on the CPU: for tests where there is none.
    pub fn portable() -> Self {
        Self::new(DType::F32, Device::Cpu, "cpu")
    }

    /// f32 on a GPU; an error says why it cannot be used.
    pub fn cuda(number: usize) -> std::result::Result<Self, String> {
        let Some(&name) = GPUS.get(number) else {
            return Err(format!(
                "cuda:{number}: devices are numbered from 0 to {}",
                GPUS.len() - 1
            ));
        };
        if !candle_core::utils::cuda_is_available() {
            return Err(format!(
                "{name}: this binary was built without CUDA; build it with --features cuda"
            ));
        }
        open(number)
            .map(|device| Self::new(DType::F32, device, name))
            .map_err(|reason| format!("{name}: {reason}"))
    }

    /// Returns the same device with other products; `None` if it does not have them.
    pub fn with(&self, products: Products) -> Option<Self> {
        let has = match products {
            Products::Full => true,
            Products::Tf32 => self.device.is_cuda(),
            Products::Bf16 => self.dtype == DType::F32,
        };
        has.then(|| Self { products, plans: Arc::default(), ..self.clone() })
    }

    /// `cpu`, or `cuda:` and a number.
    pub fn device_name(&self) -> &'static str {
        self.name
    }

    /// The name of the type that products are computed with.
    pub fn dtype_name(&self) -> &'static str {
        match self.products {
            Products::Full => self.dtype.as_str(),
            Products::Tf32 => "tf32",
            Products::Bf16 => "bf16",
        }
    }

    /// Returns the bytes of one weight of a layer's linear map.
    pub fn weight_bytes(&self) -> usize {
        match self.products {
            Products::Bf16 if self.device.is_cuda() => DType::BF16.size_in_bytes(),
            _ => self.dtype.size_in_bytes(),
        }
    }

    /// Makes products on a GPU as precise as configured until the guard is dropped. candle has one
    /// flag for the whole process, so another pass on a GPU waits.
    #[cfg(feature = "cuda")]
    pub fn begin(&self) -> Option<MutexGuard<'static, ()>> {
        static PASSES: Mutex<()> = Mutex::new(());
        if !self.device.is_cuda() {
            return None;
        }
        let guard = PASSES.lock().unwrap_or_else(PoisonError::into_inner);
        candle_core::cuda::set_gemm_reduced_precision_f32(self.products != Products::Full);
        Some(guard)
    }

    /// Does nothing: only GPUs need to be told how precise products are.
    #[cfg(not(feature = "cuda"))]
    pub fn begin(&self) -> Option<MutexGuard<'static, ()>> {
        None
    }

    /// Returns the memory of the device; `None` for the CPU.
    pub fn memory(&self) -> Option<DeviceMemory> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => memory_pool::memory(device).ok(),
            _ => None,
        }
    }

    /// Copies numbers to the device.
    pub(super) fn upload(&self, numbers: &[f64], shape: &[usize]) -> Result<Tensor> {
        on_device(numbers, shape, self.dtype, &self.device)
    }

    pub(super) fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Tensor> {
        Tensor::from_slice(values, shape, &self.device)?.to_dtype(self.dtype)
    }

    pub(super) fn indices(&self, indices: &[usize]) -> Result<Tensor> {
        let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        Tensor::new(indices, &self.device)
    }
}

/// What an error says about the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is not enough memory for this pass; the device is unharmed.
    OutOfMemory,
    /// Nothing works on the device until the process starts again.
    Lost,
    Other,
}

impl Fault {
    /// Classifies an error by the names that the CUDA driver and cuBLAS give it.
    pub fn of(error: &candle_core::Error) -> Self {
        /// Errors after which every call fails, from the documentation of the driver.
        const LOST: [&str; 14] = [
            "CUDA_ERROR_ILLEGAL_ADDRESS",
            "CUDA_ERROR_LAUNCH_FAILED",
            "CUDA_ERROR_LAUNCH_TIMEOUT",
            "CUDA_ERROR_HARDWARE_STACK_ERROR",
            "CUDA_ERROR_ILLEGAL_INSTRUCTION",
            "CUDA_ERROR_MISALIGNED_ADDRESS",
            "CUDA_ERROR_INVALID_ADDRESS_SPACE",
            "CUDA_ERROR_INVALID_PC",
            "CUDA_ERROR_ASSERT",
            "CUDA_ERROR_ECC_UNCORRECTABLE",
            "CUDA_ERROR_NVLINK_UNCORRECTABLE",
            "CUDA_ERROR_CONTEXT_IS_DESTROYED",
            "CUDA_ERROR_DEVICE_UNAVAILABLE",
            "CUDA_ERROR_NO_DEVICE",
        ];
        let text = format!("{error} {error:?}");
        let names = |names: &[&str]| names.iter().any(|name| text.contains(name));
        match () {
            () if names(&["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED"]) => {
                Self::OutOfMemory
            }
            () if names(&LOST) => Self::Lost,
            () => Self::Other,
        }
    }
}

impl fmt::Display for Candle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "candle ({}, {})", self.name, self.dtype_name())
    }
}

/// Opens a GPU and computes something there, so that a missing library shows now.
fn open(number: usize) -> std::result::Result<Device, String> {
    let open = || -> Result<Device> {
        // A stream of its own: the default one differs from thread to thread, so that a worker could
        // read weights before the loader's copy has ended.
        let device = Device::new_cuda_with_stream(number)?;
        #[cfg(feature = "cuda")]
        memory_pool::prepare(device.as_cuda_device()?)?;
        let ones = Tensor::ones((2, 2), DType::F32, &device)?;
        ones.matmul(&ones)?.to_vec2::<f32>()?;
        Ok(device)
    };
    open().map_err(|error| {
        let error = error.to_string();
        match () {
            () if error.contains("INVALID_DEVICE") => "there is no such device".to_owned(),
            () if error.contains("NO_DEVICE") => "the driver finds no GPU".to_owned(),
            () => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart_by_the_drivers_names() {
        let of = |text: &str| Fault::of(&candle_core::Error::Cuda(text.into()).bt());
        let memory = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        assert_eq!(of(memory), Fault::OutOfMemory);
        assert_eq!(of("CublasError(CUBLAS_STATUS_ALLOC_FAILED)"), Fault::OutOfMemory);
        let address = "DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access\")";
        assert_eq!(of(address), Fault::Lost);
        assert_eq!(of("DriverError(CUDA_ERROR_INVALID_VALUE, \"invalid argument\")"), Fault::Other);
    }

    #[test]
    fn products_are_those_that_the_device_has() {
        let portable = Candle::portable();
        assert_eq!(portable.with(Products::Bf16).unwrap().dtype_name(), "bf16");
        assert!(portable.with(Products::Tf32).is_none());
        assert!(Candle::reference().with(Products::Bf16).is_none());
        assert_eq!(Candle::reference().with(Products::Full).unwrap().dtype_name(), "f64");
    }
}
