//! Means of samples with standard errors by the jackknife over groups of samples (Quenouille 1956;
//! Tukey 1958), which also covers functions of a mean, and needs the memory of a few samples.

/// Number of groups. Sample `i` is in group `i mod GROUPS`.
const GROUPS: usize = 16;

/// The sums of samples, `[values]` each, by group.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    sums: Vec<Vec<f64>>,
    count: usize,
}

/// A function of the mean of all samples, and vectors whose outer products sum to its covariance.
pub struct Jackknife {
    pub value: Vec<f64>,
    pub deviations: Vec<Vec<f64>>,
}

impl Groups {
    pub fn add(&mut self, sample: Vec<f64>) {
        match self.sums.get_mut(self.count % GROUPS) {
            Some(sum) => sum.iter_mut().zip(sample).for_each(|(sum, value)| *sum += value),
            None => self.sums.push(sample),
        }
        self.count += 1;
    }

    /// Returns `of` the mean. A single sample counts as uncertain by its own size.
    pub fn jackknife(&self, of: impl Fn(&[f64]) -> Vec<f64>) -> Jackknife {
        let groups = self.sums.len();
        let sum = |except: Option<usize>| {
            let mut sum = vec![0.; self.sums.first().map_or(0, Vec::len)];
            for (_, own) in self.sums.iter().enumerate().filter(|(g, _)| Some(*g) != except) {
                sum.iter_mut().zip(own).for_each(|(sum, value)| *sum += value);
            }
            sum
        };
        let mean = |except: Option<usize>| {
            let mut mean = sum(except);
            let size = |group| self.count / GROUPS + usize::from(group < self.count % GROUPS);
            let count = (self.count - except.map_or(0, size)) as f64;
            mean.iter_mut().for_each(|value| *value /= count);
            of(&mean)
        };
        let value = mean(None);
        if groups < 2 {
            return Jackknife { deviations: vec![value.clone()], value };
        }
        // A few groups underestimate the spread: Student's t with 15 degrees of freedom has 95 % of
        // its mass within 2.13, the normal distribution within 1.96.
        let few = 1. + 3. / groups as f64;
        let factor = (few * (groups - 1) as f64 / groups as f64).sqrt();
        let deviation = |group| {
            let without = mean(Some(group));
            without.iter().zip(&value).map(|(without, all)| factor * (without - all)).collect()
        };
        Jackknife { deviations: (0..groups).map(deviation).collect(), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    /// The mean, and its square as a function that is not linear.
    fn both(mean: &[f64]) -> Vec<f64> {
        vec![mean[0], mean[0] * mean[0]]
    }

    #[test]
    fn standard_errors_are_those_of_the_mean_and_cover_it() {
        let runs = 2_000;
        for count in [16, 25, 100] {
            let mut covered = [0, 0];
            for run in 0..runs {
                let mut generator = Generator::stream(9, run);
                let mut groups = Groups::default();
                (0..count).for_each(|_| groups.add(vec![3. + generator.normal()]));
                let found = groups.jackknife(both);
                for (k, truth) in [3., 9.].into_iter().enumerate() {
                    let variance: f64 = found.deviations.iter().map(|d| d[k] * d[k]).sum();
                    let within = (found.value[k] - truth).abs() <= 2. * variance.sqrt();
                    covered[k] += usize::from(within);
                }
            }
            for covered in covered {
                let share = covered as f64 / runs as f64;
                assert!((share - 0.95).abs() < 0.02, "{count}: {share}");
            }
        }
    }

    #[test]
    fn a_single_sample_is_uncertain() {
        let mut groups = Groups::default();
        groups.add(vec![2.]);
        let found = groups.jackknife(<[f64]>::to_vec);
        assert_eq!((found.value, found.deviations), (vec![2.], vec![vec![2.]]));
    }
}
