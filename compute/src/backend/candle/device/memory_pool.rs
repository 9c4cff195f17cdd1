//! The driver's pool of a GPU's memory, from which tensors are allocated.

use std::ffi::c_void;

use candle_core::Result;
use candle_core::cuda::cudarc::driver::{result, sys};
use candle_core::cuda::{CudaDevice, WrapErr};
use sys::CUmemPool_attribute as Attribute;

use crate::backend::DeviceMemory;

/// Lets the pool keep what a pass has freed for the next one. By default it returns all of it to the
/// system whenever the CPU waits for the GPU, which every pass does, and allocating it anew takes
/// longer than small passes.
#[allow(unsafe_code)]
pub fn prepare(device: &CudaDevice) -> Result<()> {
    let mut all = u64::MAX;
    let threshold = Attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // The attribute is a u64.
    unsafe { result::mem_pool::set_attribute(pool(device)?, threshold, of(&mut all)) }.w()?;
    // Without events for each array, which order the work of several streams: there is only one.
    unsafe { device.disable_event_tracking() };
    Ok(())
}

/// Returns the device's memory. What the pool keeps unused is free.
#[allow(unsafe_code)]
pub fn memory(device: &CudaDevice) -> Result<DeviceMemory> {
    let (free, total) = device.cuda_stream().context().mem_get_info().w()?;
    let pool = pool(device)?;
    let read = |attribute| {
        let mut bytes = 0u64;
        // These attributes are u64.
        unsafe { result::mem_pool::get_attribute(pool, attribute, of(&mut bytes)) }.w()?;
        Result::Ok(bytes as usize)
    };
    let reserved = read(Attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
    let used = read(Attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?;
    Ok(DeviceMemory { free: free + reserved.saturating_sub(used), total })
}

#[allow(unsafe_code)]
fn pool(device: &CudaDevice) -> Result<sys::CUmemoryPool> {
    let stream = device.cuda_stream();
    let context = stream.context();
    context.bind_to_thread().w()?;
    // The device is that of a context.
    unsafe { result::device::get_default_mem_pool(context.cu_device()) }.w()
}

fn of(number: &mut u64) -> *mut c_void {
    (&raw mut *number).cast()
}
