//! Copies numbers to a device and back, in the type that they have there.

use candle_core::{DType, Device, Result, Tensor};

/// Copies numbers to the device of `like`, as its type.
pub fn upload(numbers: &[f64], shape: &[usize], like: &Tensor) -> Result<Tensor> {
    on_device(numbers, shape, like.dtype(), like.device())
}

/// Copies numbers to a device, as f32 or f64.
pub fn on_device(
    numbers: &[f64],
    shape: &[usize],
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    if dtype == DType::F64 {
        return Tensor::from_slice(numbers, shape, device);
    }
    let single: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    Tensor::from_vec(single, shape, device)?.to_dtype(dtype)
}

/// Copies all numbers of `x` back from its device, in its own type.
pub fn download(x: &Tensor) -> Result<Vec<f64>> {
    let x = x.flatten_all()?;
    match x.dtype() {
        DType::F64 => x.to_vec1(),
        _ => Ok(x.to_vec1::<f32>()?.into_iter().map(f64::from).collect()),
    }
}
