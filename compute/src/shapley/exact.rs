//! Exact Shapley values.

/// Returns `φ_u = Σ_S |S|! (n - |S| - 1)! / n! (F(S ∪ u) - F(S))` over all S without u. `value`
/// returns F of the coalition whose units are the set bits.
pub fn exact(units: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    // 1 / (n C(n - 1, s)), for coalitions of size s.
    let mut weights = vec![1. / units as f64; units];
    for size in 1..units {
        weights[size] = weights[size - 1] * size as f64 / (units - size) as f64;
    }
    let of_unit = |unit: usize| {
        let without = (0..1usize << units).filter(|bits| bits >> unit & 1 == 0);
        let gain = |bits: usize| {
            weights[bits.count_ones() as usize] * (value(bits | 1 << unit) - value(bits))
        };
        without.map(gain).sum()
    };
    (0..units).map(of_unit).collect()
}

#[cfg(test)]
mod tests {
    use super::exact;

    #[test]
    fn shapley_values_are_the_mean_over_all_orders() {
        let value = |bits: usize| ((bits * 37 + 11) % 17) as f64;
        let units = 4;
        let mut by_orders = vec![0.; units];
        let mut orders = 0.;
        for order in (0..units.pow(units as u32)).map(|n| [n % 4, n / 4 % 4, n / 16 % 4, n / 64]) {
            let mut sorted = order;
            sorted.sort_unstable();
            if sorted != [0, 1, 2, 3] {
                continue;
            }
            orders += 1.;
            let mut bits = 0;
            for unit in order {
                by_orders[unit] += value(bits | 1 << unit) - value(bits);
                bits |= 1 << unit;
            }
        }
        for (ours, sum) in exact(units, value).iter().zip(by_orders) {
            assert!((ours - sum / orders).abs() < 1e-12);
        }
    }
}
