//! Owen values over a tree of neighbouring units (Owen 1977), like the package shap's `Partition`:
//! the mean gain of each unit over all orders of adding the units that keep the units of every node
//! together.

use std::collections::HashSet;
use std::ops::Range;

use super::perturbation::Mask;
use crate::random::Generator;

/// A range of neighbouring units, split into two halves unless it is a single part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub units: Range<usize>,
    pub halves: Option<Box<(Tree, Tree)>>,
}

impl Tree {
    /// Splits `units` into at most `parts` parts: at the border nearest to the middle between texts,
    /// else between sentences, else after punctuation, else in the middle. `borders` has one list
    /// per kind, strongest first. A half gets its share of the parts by its number of units.
    pub fn over(units: Range<usize>, borders: &[Vec<usize>], parts: usize) -> Self {
        if units.len() < 2 || parts < 2 {
            return Self { units, halves: None };
        }
        let distance = |border: &usize| (2 * border).abs_diff(units.start + units.end);
        let nearest = |kind: &Vec<usize>| {
            let inside = kind.iter().filter(|b| units.start < **b && **b < units.end);
            inside.min_by_key(|border| (distance(border), **border)).copied()
        };
        let middle = (units.start + units.end) / 2;
        let split = borders.iter().find_map(nearest).unwrap_or(middle);
        let left = (parts * (split - units.start) / units.len()).clamp(1, parts - 1);
        let halves = (
            Self::over(units.start..split, borders, left),
            Self::over(split..units.end, borders, parts - left),
        );
        Self { units, halves: Some(Box::new(halves)) }
    }

    /// Returns the largest number of splits above a part.
    fn depth(&self) -> u32 {
        self.halves.as_ref().map_or(0, |halves| 1 + halves.0.depth().max(halves.1.depth()))
    }

    /// Returns the number of coalitions that all orders pass through: at a node of depth d, either
    /// half with each of the 2 to the d combinations of the other nodes above it.
    pub fn coalitions(&self) -> f64 {
        fn below(node: &Tree, contexts: f64) -> f64 {
            let halves = node.halves.as_ref();
            halves.map_or(0., |halves| {
                let deeper = 2. * contexts;
                deeper + below(&halves.0, deeper) + below(&halves.1, deeper)
            })
        }
        2. + below(self, 1.)
    }

    /// Appends the parts in an order: a node at depth d begins with its second half if bit d of
    /// `swaps` differs from the node's own, which are drawn from `own` in the order of the tree.
    fn append(&self, swaps: u64, depth: u32, own: &mut Generator, to: &mut Vec<Range<usize>>) {
        let Some(halves) = &self.halves else {
            to.push(self.units.clone());
            return;
        };
        let swapped = (swaps >> (depth % MAX_DEPTH) & 1 == 1) != (own.uniform() < 0.5);
        let start = to.len();
        halves.0.append(swaps, depth + 1, own, to);
        let middle = to.len();
        halves.1.append(swaps, depth + 1, own, to);
        if swapped {
            to[start..].rotate_left(middle - start);
        }
    }
}

/// Deeper nodes repeat the bits of the first ones.
const MAX_DEPTH: u32 = 60;

/// Draws orders of the parts of a tree, each with its reverse.
///
/// Bit d of a number says for all nodes at depth d which half comes first, except that each node
/// may be the other way round, at random. Every path from the root to a part meets all combinations
/// among the numbers below 2 to the depth, so that all of them together give the exact mean, and
/// any of them is a random order by itself.
pub struct Orders<'a> {
    tree: &'a Tree,
    depth: u32,
    generator: Generator,
    own: Generator,
    drawn: HashSet<u64>,
}

impl<'a> Orders<'a> {
    pub fn new(tree: &'a Tree, seed: u64) -> Self {
        Self {
            tree,
            depth: tree.depth().min(MAX_DEPTH),
            generator: Generator::stream(seed, 0),
            own: Generator::stream(seed, 1),
            drawn: HashSet::new(),
        }
    }

    /// Returns the number of different pairs of orders.
    pub fn pairs(&self) -> f64 {
        2_f64.powi(self.depth as i32 - 1).max(1.)
    }
}

impl Iterator for Orders<'_> {
    /// The order of one of a pair; the other one is its reverse.
    type Item = Vec<Range<usize>>;

    fn next(&mut self) -> Option<Vec<Range<usize>>> {
        if self.drawn.len() as f64 >= self.pairs() {
            return None;
        }
        let pairs = self.pairs();
        // The first bit tells an order from its reverse.
        let mut random = || (self.generator.uniform() * pairs) as u64 * 2;
        let mut swaps = random();
        while !self.drawn.insert(swaps) {
            swaps = random();
        }
        let mut order = Vec::new();
        self.tree.append(swaps, 0, &mut self.own.clone(), &mut order);
        Some(order)
    }
}

/// Returns the coalitions that an order passes through, without the empty and the full one.
pub fn prefixes(order: &[Range<usize>], units: usize) -> Vec<Mask> {
    let mut mask = vec![false; units];
    let add = |part: &Range<usize>| {
        mask[part.clone()].fill(true);
        mask.clone()
    };
    order[..order.len() - 1].iter().map(add).collect()
}

/// Returns each unit's gain in an order, given the values of the prefixes. The units of a part share
/// its gain evenly.
pub fn gains(order: &[Range<usize>], values: &[f64], empty: f64, full: f64) -> Vec<f64> {
    let mut gains = vec![0.; order.iter().map(|part| part.end).max().unwrap_or_default()];
    let mut before = empty;
    for (part, &value) in order.iter().zip(values.iter().chain([&full])) {
        gains[part.clone()].fill((value - before) / part.len() as f64);
        before = value;
    }
    gains
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A game with a bonus for pairs of neighbours, and for the first and last unit together.
    fn game(mask: &Mask) -> f64 {
        let own = mask.iter().enumerate().filter(|(_, on)| **on).map(|(i, _)| i as f64 - 1.5);
        let pairs = mask.windows(2).filter(|pair| pair[0] && pair[1]).count();
        let ends = f64::from(u8::from(mask[0] && mask[mask.len() - 1] && !mask[1]));
        own.sum::<f64>() + 2. * pairs as f64 + ends
    }

    fn mean(tree: &Tree, count: usize, seed: u64) -> Vec<f64> {
        let units = tree.units.len();
        let (empty, full) = (game(&vec![false; units]), game(&vec![true; units]));
        let mut sums = vec![0.; units];
        let mut orders = 0.;
        for order in Orders::new(tree, seed).take(count) {
            let reverse: Vec<_> = order.iter().rev().cloned().collect();
            for order in [order, reverse] {
                let values: Vec<f64> = prefixes(&order, units).iter().map(game).collect();
                let gains = gains(&order, &values, empty, full);
                sums.iter_mut().zip(gains).for_each(|(sum, gain)| *sum += gain);
                orders += 1.;
            }
        }
        sums.into_iter().map(|sum| sum / orders).collect()
    }

    /// The definition: at every node, the mean of the gains without and with the other half.
    fn owen(node: &Tree, others: &Mask, weight: f64, scores: &mut [f64]) {
        let with = |mask: &Mask, node: &Tree| {
            let mut mask = mask.clone();
            mask[node.units.clone()].fill(true);
            mask
        };
        match &node.halves {
            None => {
                scores[node.units.start] += weight * (game(&with(others, node)) - game(others));
            }
            Some(halves) => {
                for (half, other) in [(&halves.0, &halves.1), (&halves.1, &halves.0)] {
                    owen(half, others, weight / 2., scores);
                    owen(half, &with(others, other), weight / 2., scores);
                }
            }
        }
    }

    #[test]
    fn all_orders_give_owen_values() {
        for units in [2, 5, 11] {
            let tree = Tree::over(0..units, &[vec![4], vec![2, 7]], units);
            let orders: Vec<_> = Orders::new(&tree, 1).collect();
            let reverse = |order: &Vec<Range<usize>>| order.iter().rev().cloned().collect();
            let reversed: Vec<Vec<Range<usize>>> = orders.iter().map(reverse).collect();
            let masks = orders.iter().chain(&reversed).flat_map(|order| prefixes(order, units));
            let distinct = masks.collect::<HashSet<Mask>>().len() + 2;
            assert!(distinct as f64 <= tree.coalitions(), "{distinct}");
            let mut exact = vec![0.; units];
            owen(&tree, &vec![false; units], 1., &mut exact);
            for seed in 0..3 {
                for (ours, exact) in mean(&tree, usize::MAX, seed).iter().zip(&exact) {
                    assert!((ours - exact).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn any_orders_add_up_and_are_unbiased() {
        let tree = Tree::over(0..11, &[vec![4], vec![2, 7]], 11);
        assert_eq!(tree.halves.as_ref().unwrap().0.units, 0..4);
        let change = game(&vec![true; 11]) - game(&vec![false; 11]);
        let exact = mean(&tree, usize::MAX, 0);
        let mut means = [0.; 11];
        for seed in 0..400 {
            let scores = mean(&tree, 2, seed);
            assert!((scores.iter().sum::<f64>() - change).abs() < 1e-12);
            means.iter_mut().zip(scores).for_each(|(mean, score)| *mean += score / 400.);
        }
        for (mean, exact) in means.iter().zip(exact) {
            assert!((mean - exact).abs() < 0.1, "{mean} {exact}");
        }
    }

    #[test]
    fn parts_that_are_not_split_share_evenly() {
        let tree = Tree::over(0..11, &[vec![4]], 2);
        let scores = mean(&tree, usize::MAX, 0);
        assert!(scores[..4].iter().all(|score| *score == scores[0]));
        assert!(scores[4..].iter().all(|score| *score == scores[4]));
    }
}
