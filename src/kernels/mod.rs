//! The differentiable building blocks, with frozen weights.
//!
//! Each kernel has a `forward` and a `vjp` (vector-Jacobian product): given the
//! gradient of a scalar with respect to the kernel's output, it returns the
//! gradient with respect to its input. Nothing is taped and no gradient of a
//! weight is ever computed. candle's own `backward` is not used: several of its
//! fused operations end a gradient without an error, and its matmul would
//! compute the gradient of every frozen weight.
//!
//! All kernels work in the type of their weights, f32 to serve and f64 to test;
//! each is held against finite differences in f64 beside its code.

pub mod activation;
pub mod attention;
pub mod layer_norm;
pub mod linear;
#[cfg(test)]
pub(crate) mod testing;

pub use activation::Activation;
pub use attention::Attention;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
