//! Elementary functions on one register of f32.

use pulp::Simd;

/// Returns `a b + c`, fused if the processor can: without the instruction, a fused product is a
/// slow function call. The 128-bit path is the portable one.
#[inline(always)]
pub fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if S::F32_LANES > 4 || cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        simd.mul_add_e_f32s(a, b, c)
    } else {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    }
}

/// Loads the register at `data[start..]`.
#[inline(always)]
pub fn load<S: Simd>(data: &[f32], start: usize) -> S::f32s {
    S::as_simd_f32s(&data[start..start + S::F32_LANES]).0[0]
}

/// Returns `Σ coefficients[i] x^i`, by Horner's rule.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f32s, coefficients: [f32; N]) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = multiply_add(simd, sum, x, simd.splat_f32s(coefficients[i]));
    }
    sum
}

/// The range in which e^x is a normal number.
const EXP_MIN: f32 = -87.336;
const EXP_MAX: f32 = 88.376;

/// Returns `e^x` with a relative error of 2e-7; 0 below [`EXP_MIN`], clamped above [`EXP_MAX`].
/// With `x = n ln 2 + r`, it is `2^n` times the Taylor polynomial of `e^r`, `|r| <= ln 2 / 2`.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5 · 2^23 rounds to an integer and leaves it in the low bits.
    let round = simd.splat_f32s(12_582_912.);
    let min = simd.splat_f32s(EXP_MIN);
    let bounded = simd.min_f32s(simd.max_f32s(x, min), simd.splat_f32s(EXP_MAX));
    let shifted = multiply_add(simd, bounded, simd.splat_f32s(std::f32::consts::LOG2_E), round);
    let n = simd.sub_f32s(shifted, round);
    // ln 2 in two parts, so that `n` times the first is exact.
    let r = multiply_add(simd, n, simd.splat_f32s(-0.693_359_4), bounded);
    let r = multiply_add(simd, n, simd.splat_f32s(2.121_944_4e-4), r);
    let taylor = [1., 1., 1. / 2., 1. / 6., 1. / 24., 1. / 120., 1. / 720., 1. / 5040.];
    let mantissa = polynomial(simd, r, taylor);
    let exponent =
        simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.add_u32s(simd.transmute_u32s_f32s(mantissa), exponent);
    let vanishes = simd.less_than_f32s(x, min);
    simd.select_f32s(vanishes, simd.splat_f32s(0.), simd.transmute_f32s_u32s(power))
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// Scales the argument of the polynomial in [`normal`].
const MILLS_SLOPE: f32 = 0.35;

/// `Φ(-|x|) / e^(-x²/2)` as a polynomial in `t = 1 / (1 + 0.35 |x|)` without constant term: a
/// minimax fit with a relative error of 3e-8 for |x| up to 14.
const MILLS: [f32; 10] = [
    0.,
    0.1396214,
    0.139_861_9,
    0.11983271,
    0.10550865,
    -0.02311138,
    0.15917643,
    -0.25571627,
    0.14397268,
    -0.02914613,
];

/// Returns the normal distribution `Φ(x)` and its density `φ(x)`, which share an exponential. The
/// lower tail keeps its relative accuracy.
#[inline(always)]
pub fn normal<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let one = simd.splat_f32s(1.);
    let size = simd.abs_f32s(x);
    let bell = exp(simd, simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(-0.5)));
    let t = simd.div_f32s(one, multiply_add(simd, size, simd.splat_f32s(MILLS_SLOPE), one));
    let tail = simd.mul_f32s(bell, polynomial(simd, t, MILLS));
    let negative = simd.less_than_f32s(x, simd.splat_f32s(0.));
    let cumulative = simd.select_f32s(negative, tail, simd.sub_f32s(one, tail));
    let density = simd.mul_f32s(bell, simd.splat_f32s(0.398_942_3));
    (cumulative, density)
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::super::Isa;
    use super::*;

    struct Each<'a>(&'a mut [f32], &'a str);

    impl WithSimd for Each<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            for x in S::as_mut_simd_f32s(self.0).0 {
                *x = match self.1 {
                    "exp" => exp(simd, *x),
                    "sigmoid" => sigmoid(simd, *x),
                    "cumulative" => normal(simd, *x).0,
                    _ => normal(simd, *x).1,
                };
            }
        }
    }

    /// Returns the largest relative error over `[-range, range]`; absolute where `exact` is tiny.
    fn worst(isa: Isa, name: &str, range: f64, exact: impl Fn(f64) -> f64) -> f64 {
        let inputs: Vec<f32> =
            (0..16_000).map(|i| ((f64::from(i) / 8_000. - 1.) * range) as f32).collect();
        let mut values = inputs.clone();
        isa.run(Each(&mut values, name));
        let error = |(x, y): (&f32, &f32)| {
            let exact = exact(f64::from(*x));
            (f64::from(*y) - exact).abs() / exact.abs().max(1e-37)
        };
        inputs.iter().zip(&values).map(error).fold(0., f64::max)
    }

    /// Φ in f64, by its series around 0 or its continued fraction.
    fn phi(x: f64) -> f64 {
        let density = (-x * x / 2.).exp() / (2. * std::f64::consts::PI).sqrt();
        if x.abs() < 3. {
            let mut term = x;
            let mut sum = x;
            for k in 1..200 {
                term *= x * x / (2. * f64::from(k) + 1.);
                sum += term;
            }
            return 0.5 + density * sum;
        }
        let mut fraction = x.abs();
        for k in (1..200).rev() {
            fraction = x.abs() + f64::from(k) / fraction;
        }
        let tail = density / fraction;
        if x < 0. { tail } else { 1. - tail }
    }

    #[test]
    fn functions_are_accurate_to_single_precision_on_every_isa() {
        for isa in Isa::available() {
            let name = isa.name();
            assert!(worst(isa, "exp", 87., f64::exp) < 2e-7, "{name}");
            assert!(worst(isa, "sigmoid", 80., |x| 1. / (1. + (-x).exp())) < 5e-7, "{name}");
            assert!(worst(isa, "cumulative", 5., phi) < 3e-6, "{name}");
            assert!(worst(isa, "cumulative", 1., phi) < 4e-7, "{name}");
        }
    }

    #[test]
    fn exp_of_masked_scores_is_zero_and_never_overflows() {
        for isa in Isa::available() {
            let mut values = [f32::NEG_INFINITY; 32];
            values[0] = 1e30;
            isa.run(Each(&mut values, "exp"));
            assert!(values[0].is_finite());
            assert!(values[1..].iter().all(|value| *value == 0.), "{}", isa.name());
        }
    }
}
