//! Owen values over a tree of neighbouring units (Owen 1977), as the package
//! shap's `Partition` computes them: what a whole node adds, given that the rest
//! is there or is not, is shared between its two halves, and so on down.

use std::collections::BinaryHeap;
use std::ops::Range;

/// A coalition: which units are there.
pub type Mask = Vec<bool>;

/// Neighbouring units and where they are split; a lone unit is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub units: Range<usize>,
    pub halves: Option<Box<(Tree, Tree)>>,
}

impl Tree {
    /// Splits `units` at the border nearest to the middle: between texts, else
    /// between sentences, else after punctuation, else in the middle. `borders`
    /// has a list for each of the kinds, the strongest first.
    pub fn over(units: Range<usize>, borders: &[Vec<usize>]) -> Self {
        if units.len() < 2 {
            return Self { units, halves: None };
        }
        let distance = |place: &usize| (2 * place).abs_diff(units.start + units.end);
        let nearest = |places: &Vec<usize>| {
            let inside = places.iter().filter(|place| units.start < **place && **place < units.end);
            inside.min_by_key(|place| (distance(place), **place)).copied()
        };
        let middle = (units.start + units.end) / 2;
        let place = borders.iter().find_map(nearest).unwrap_or(middle);
        let half = |part| Self::over(part, borders);
        let halves = (half(units.start..place), half(place..units.end));
        Self { units, halves: Some(Box::new(halves)) }
    }
}

/// A node among fixed others, and what the scalar is without and with it.
#[derive(Debug)]
struct Open<'a> {
    node: &'a Tree,
    others: Mask,
    without: f64,
    with: f64,
    weight: f64,
    number: usize,
}

impl Open<'_> {
    /// What its units get, unless it is opened up.
    fn worth(&self) -> f64 {
        self.weight * (self.with - self.without)
    }

    /// The others and some of its own units.
    fn mask(&self, part: &Tree) -> Mask {
        let mut mask = self.others.clone();
        mask[part.units.clone()].fill(true);
        mask
    }
}

/// The most worth first, then the oldest.
impl Ord for Open<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let worth = self.worth().abs().total_cmp(&other.worth().abs());
        worth.then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Open<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Open<'_> {}

/// Shares out one scalar, opening the nodes that are worth most first. Values of
/// coalitions are asked for in rounds.
pub struct Shares<'a> {
    /// Of the units, as far as they are by themselves.
    alone: Vec<f64>,
    open: BinaryHeap<Open<'a>>,
    next: usize,
}

/// Nodes that are opened up together.
pub struct Round<'a>(Vec<Open<'a>>);

impl<'a> Shares<'a> {
    /// From the scalar where no unit is there, and where all are.
    pub fn new(tree: &'a Tree, empty: f64, full: f64) -> Self {
        let others = vec![false; tree.units.len()];
        let mut shares =
            Self { alone: vec![0.; tree.units.len()], open: BinaryHeap::new(), next: 0 };
        shares.place(tree, others, empty, full, 1.);
        shares
    }

    fn place(&mut self, node: &'a Tree, others: Mask, without: f64, with: f64, weight: f64) {
        let open = Open { node, others, without, with, weight, number: self.next };
        self.next += 1;
        match node.halves {
            Some(_) => self.open.push(open),
            None => self.alone[node.units.start] += open.worth(),
        }
    }

    /// Up to `count` nodes to open, and the two coalitions that each needs.
    pub fn round(&mut self, count: usize) -> (Round<'a>, Vec<Mask>) {
        let nodes: Vec<Open<'a>> = std::iter::from_fn(|| self.open.pop()).take(count).collect();
        let masks = |open: &Open<'a>| {
            open.node.halves.as_ref().map(|halves| [open.mask(&halves.0), open.mask(&halves.1)])
        };
        let masks = nodes.iter().filter_map(masks).flatten().collect();
        (Round(nodes), masks)
    }

    /// Opens the nodes of a round, given the values of its coalitions.
    pub fn take(&mut self, Round(nodes): Round<'a>, values: &[f64]) {
        for (open, values) in nodes.into_iter().zip(values.chunks(2)) {
            let (&[left_alone, right_alone], Some(halves)) = (values, &open.node.halves) else {
                continue;
            };
            let ((left, right), weight) = (&**halves, open.weight / 2.);
            let (with_left, with_right) = (open.mask(left), open.mask(right));
            self.place(left, open.others.clone(), open.without, left_alone, weight);
            self.place(right, with_left, left_alone, open.with, weight);
            self.place(right, open.others, open.without, right_alone, weight);
            self.place(left, with_right, right_alone, open.with, weight);
        }
    }

    /// Leaves the nodes of a round that is not run closed.
    pub fn put_back(&mut self, Round(nodes): Round<'a>) {
        self.open.extend(nodes);
    }

    /// Whether no node has been opened yet.
    pub fn is_untouched(&self) -> bool {
        self.next == 1
    }

    /// Whether every unit has its own share.
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// A share a unit; nodes that were not opened up share evenly.
    pub fn scores(&self) -> Vec<f64> {
        let mut scores = self.alone.clone();
        for open in &self.open {
            let part = open.worth() / open.node.units.len() as f64;
            scores[open.node.units.clone()].iter_mut().for_each(|score| *score += part);
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A game whose pairs of neighbours help each other.
    fn game(mask: &Mask) -> f64 {
        let own = mask.iter().enumerate().filter(|(_, on)| **on).map(|(i, _)| i as f64 - 1.5);
        let pairs = mask.windows(2).filter(|pair| pair[0] && pair[1]).count();
        own.sum::<f64>() + 2. * pairs as f64
    }

    fn shares(tree: &Tree, rounds: usize) -> (Vec<f64>, bool) {
        let n = tree.units.len();
        let mut shares = Shares::new(tree, game(&vec![false; n]), game(&vec![true; n]));
        for _ in 0..rounds {
            let (round, masks) = shares.round(3);
            shares.take(round, &masks.iter().map(game).collect::<Vec<_>>());
        }
        (shares.scores(), shares.is_done())
    }

    #[test]
    fn shares_add_up_however_far_the_tree_is_opened() {
        let tree = Tree::over(0..11, &[vec![4], vec![2, 7]]);
        assert_eq!(tree.halves.as_ref().unwrap().0.units, 0..4);
        for rounds in [0, 1, 3, 40] {
            let (scores, done) = shares(&tree, rounds);
            let change = game(&vec![true; 11]) - game(&vec![false; 11]);
            assert!((scores.iter().sum::<f64>() - change).abs() < 1e-12);
            assert_eq!(done, rounds == 40);
        }
    }

    #[test]
    fn two_units_get_their_shapley_values() {
        let (scores, _) = shares(&Tree::over(0..2, &[]), 1);
        assert_eq!(scores, [-1.5 + 1., -0.5 + 1.]);
    }
}
