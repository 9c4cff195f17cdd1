//! Inner products of the states of texts. All directions are sums of states, so that fits need
//! nothing else, however wide the states are.

use crate::rows::dot;

/// A square matrix, `[texts, texts]`.
#[derive(Debug, Clone)]
pub struct Products {
    size: usize,
    /// Of the vectors.
    width: usize,
    values: Vec<f64>,
}

impl Products {
    /// Returns `⟨a_i, b_j⟩`.
    pub fn of(a: &[Vec<f64>], b: &[Vec<f64>]) -> Self {
        let row = |a: &Vec<f64>| b.iter().map(|b| dot(a, b)).collect::<Vec<f64>>();
        let width = b.first().map_or(0, Vec::len);
        Self { size: b.len(), width, values: a.iter().flat_map(row).collect() }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.size..][..self.size]
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.size + column]
    }

    /// Returns the product with a vector.
    pub fn times(&self, weights: &[f64]) -> Vec<f64> {
        (0..self.size).map(|index| dot(self.row(index), weights)).collect()
    }
}

/// Returns the vectors minus their mean.
pub fn centred(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = vectors.first().map_or(0, Vec::len);
    let sum = |index: usize| vectors.iter().map(|vector| vector[index]).sum::<f64>();
    let mean: Vec<f64> = (0..width).map(|index| sum(index) / vectors.len() as f64).collect();
    let minus = |vector: &Vec<f64>| vector.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
    vectors.iter().map(minus).collect()
}
