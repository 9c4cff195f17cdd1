//! Products in 8-bit integers, for forward rows that allow a lower precision.
//!
//! Weights are rounded to 255 levels per output, activations to 256 levels per token, whose range
//! is measured anew each time. The integer sums are exact, and a token's levels depend on nothing
//! but itself, so a row's result is bitwise identical alone, in a batch, and on any number of
//! threads.

#[cfg(target_arch = "x86_64")]
mod quantise;
#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;
#[cfg(target_arch = "x86_64")]
pub use vnni::{Map, Vnni};

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(not(target_arch = "x86_64"))]
pub use absent::{Map, Vnni};
