//! Means of quadratic fits over all coalitions of a size.

use super::halved;

/// Returns all pairs of units, i < j: (0, 1), (0, 2), …
pub fn all_pairs(units: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..units).flat_map(move |i| (i + 1..units).map(move |j| (i, j)))
}

/// The means of z and of z z' for units of which a number is present, chosen at random.
#[derive(Clone, Copy)]
struct Moments {
    one: f64,
    two: f64,
}

impl Moments {
    fn new(units: usize, present: usize) -> Self {
        if units == 0 || present > units {
            return Self { one: 0., two: 0. };
        }
        let n = units as f64;
        let sum = 2. * present as f64 - n;
        let two = if units < 2 { 0. } else { (sum * sum - n) / (n * (n - 1.)) };
        Self { one: sum / n, two }
    }
}

/// The mean of `Γ g` over all coalitions of each size, added up over the sizes. A fit
/// `g = Σ w ρ(S, T)²` is a quadratic form, `constant + 2 Σ_{a<b} B_ab z_a z_b` with z = ±1, whose
/// means are known for S that contain both, one or none of a pair. They are linear in w, so that
/// weights are added up first.
pub struct Means {
    constant: f64,
    /// Weights of the forms whose entries of the pair itself, between one of the pair and the others,
    /// and between the others are added.
    own: Vec<f64>,
    cross: Vec<f64>,
    rest: Vec<f64>,
}

impl Means {
    /// Creates means of nothing, for fits with this many weights.
    pub fn new(weights: usize) -> Self {
        let [own, cross, rest] = [(); 3].map(|()| vec![0.; weights]);
        Self { constant: 0., own, cross, rest }
    }

    /// Adds the mean of a fit over all coalitions of a size.
    pub fn add(&mut self, units: usize, size: usize, weights: &[f64]) {
        let scale = halved(units, size) / (units as f64 - 1.);
        let moments = |present: usize| Moments::new(units - 2, present);
        // How often a case counts, how many of the pair are present, and what that does to z.
        let mut add = |times: f64, present: usize, own: f64, crossing: f64| {
            let Moments { one, two } = moments(size.wrapping_sub(present));
            let times = scale * times;
            self.constant += times * weights.iter().sum::<f64>() / units as f64;
            let parts =
                [(&mut self.own, own), (&mut self.cross, crossing * one), (&mut self.rest, two)];
            for (sum, factor) in parts {
                let terms = sum.iter_mut().zip(weights);
                terms.for_each(|(sum, weight)| *sum += 2. * times * factor * weight);
            }
        };
        add(-2., 1, -1., 0.);
        if size >= 2 {
            add(1., 2, 1., 1.);
        }
        if units - size >= 2 {
            add(1., 0, 1., -1.);
        }
    }

    /// Adds the means to a value per pair; `signs` are the fits' coalitions as vectors of ±1.
    pub fn add_to(&self, values: &mut [f64], units: usize, signs: &[Vec<f64>]) {
        let [own, cross, rest] =
            [&self.own, &self.cross, &self.rest].map(|weights| Form::new(units, weights, signs));
        for (value, (i, j)) in values.iter_mut().zip(all_pairs(units)) {
            *value += self.constant + own.of(i, j) + cross.cross(i, j) + rest.rest(i, j);
        }
    }
}

/// A weighted sum of the quadratic kernel, `Σ w ρ(S, T)²`, as a quadratic form.
struct Form {
    units: usize,
    /// B, `[units, units]`, with a diagonal of 0.
    matrix: Vec<f64>,
    rows: Vec<f64>,
    /// The sum over a < b.
    total: f64,
}

impl Form {
    /// `signs` are the coalitions as vectors of ±1.
    fn new(units: usize, weights: &[f64], signs: &[Vec<f64>]) -> Self {
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
        Self { units, matrix, rows, total }
    }

    fn of(&self, i: usize, j: usize) -> f64 {
        self.matrix[i * self.units + j]
    }

    /// Returns the sum of B between one of i and j, and the others.
    fn cross(&self, i: usize, j: usize) -> f64 {
        self.rows[i] + self.rows[j] - 2. * self.of(i, j)
    }

    /// Returns the sum of B between the others.
    fn rest(&self, i: usize, j: usize) -> f64 {
        self.total - self.rows[i] - self.rows[j] + self.of(i, j)
    }
}
