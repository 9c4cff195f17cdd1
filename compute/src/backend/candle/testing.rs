//! Checks derivatives by finite differences in f64.

use candle_core::{Device, Result, Tensor};

/// Returns a reproducible f64 tensor of roughly normal values (sums of uniform numbers).
pub fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let count = shape.iter().product();
    let values: Vec<f64> =
        (0..count).map(|_| (0..6).map(|_| uniform()).sum::<f64>() * 1.4 - 4.2).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn flat(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// Asserts by central differences that `vjp(x, g)` is the gradient of `Σ g · forward(x)`.
pub fn check_vjp(
    x: &Tensor,
    forward: impl Fn(&Tensor) -> Result<Tensor>,
    vjp: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) {
    let weights = random(forward(x).unwrap().dims(), 99);
    let scalar = |x: &Tensor| (forward(x).unwrap() * &weights).unwrap().sum_all().unwrap();
    let scalar = |x: &Tensor| scalar(x).to_scalar::<f64>().unwrap();
    let gradient = vjp(x, &weights).unwrap();
    assert_eq!(gradient.dims(), x.dims());
    let step = 1e-5;
    let values = flat(x);
    for (i, analytic) in flat(&gradient).into_iter().enumerate() {
        let shifted = |by: f64| {
            let mut moved = values.clone();
            moved[i] += by;
            scalar(&Tensor::from_vec(moved, x.dims(), &Device::Cpu).unwrap())
        };
        let numeric = (shifted(step) - shifted(-step)) / (2. * step);
        let gap = (analytic - numeric).abs();
        assert!(gap < 1e-7 * (1. + numeric.abs()), "element {i}: {analytic} against {numeric}");
    }
}
