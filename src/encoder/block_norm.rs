//! The layer norm after the attention block, as a linear map of each part of a state.

/// `γ`, `β`, `[hidden]` each, and `ε`.
pub struct BlockNorm {
    pub weight: Vec<f64>,
    pub bias: Vec<f64>,
    pub eps: f64,
}

impl BlockNorm {
    /// Returns what the norm divides `state` by.
    pub fn deviation(&self, state: &[f64]) -> f64 {
        let mean = mean(state);
        let variance = state.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / state.len() as f64;
        (variance + self.eps).sqrt()
    }

    /// Applies `γ (v - mean(v)) / deviation` to a part of a state.
    pub fn apply(&self, part: &mut [f64], deviation: f64) {
        let mean = mean(part);
        let numbers = part.iter_mut().zip(&self.weight);
        numbers.for_each(|(x, weight)| *x = weight * (*x - mean) / deviation);
    }
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}
