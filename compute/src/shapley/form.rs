//! Fits of even games as quadratic forms, and their means over coalitions of a size.

/// The means of z and of z z' for units of which a number is present, chosen at random.
#[derive(Clone, Copy)]
pub struct Moments {
    pub one: f64,
    pub two: f64,
}

impl Moments {
    pub fn new(units: usize, present: usize) -> Self {
        if units == 0 || present > units {
            return Self { one: 0., two: 0. };
        }
        let n = units as f64;
        let sum = 2. * present as f64 - n;
        let two = if units < 2 { 0. } else { (sum * sum - n) / (n * (n - 1.)) };
        Self { one: sum / n, two }
    }
}

/// A weighted sum of the quadratic kernel, `Σ w ρ(S, T)²`, as a quadratic form.
pub struct Form {
    units: usize,
    pub constant: f64,
    /// B, `[units, units]`, with a diagonal of 0.
    matrix: Vec<f64>,
    rows: Vec<f64>,
    /// The sum over a < b.
    total: f64,
}

impl Form {
    /// `signs` are the coalitions as vectors of ±1.
    pub fn new(units: usize, weights: &[f64], signs: &[Vec<f64>]) -> Self {
        let squared = (units * units) as f64;
        let mut matrix = vec![0.; units * units];
        for (weight, z) in weights.iter().zip(signs) {
            for (row, own) in matrix.chunks_mut(units).zip(z) {
                let scaled = weight / squared * own;
                row.iter_mut().zip(z).for_each(|(cell, other)| *cell += scaled * other);
            }
        }
        (0..units).for_each(|unit| matrix[unit * units + unit] = 0.);
        let rows: Vec<f64> = matrix.chunks(units).map(|row| row.iter().sum()).collect();
        let total = rows.iter().sum::<f64>() / 2.;
        let constant = weights.iter().sum::<f64>() / units as f64;
        Self { units, constant, matrix, rows, total }
    }

    pub fn of(&self, i: usize, j: usize) -> f64 {
        self.matrix[i * self.units + j]
    }

    /// Returns the sum of B between one of i and j, and the others.
    pub fn cross(&self, i: usize, j: usize) -> f64 {
        self.rows[i] + self.rows[j] - 2. * self.of(i, j)
    }

    /// Returns the sum of B between the others.
    pub fn rest(&self, i: usize, j: usize) -> f64 {
        self.total - self.rows[i] - self.rows[j] + self.of(i, j)
    }
}
