//! Owen values over a tree of neighbouring units (Owen 1977), like the package shap's `Partition`:
//! the contribution of a node, with the other units present or absent, is divided between its two
//! halves, recursively.

use std::collections::BinaryHeap;
use std::ops::Range;

use super::perturbation::Mask;

/// A range of neighbouring units, split into two halves unless it is a single unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub units: Range<usize>,
    pub halves: Option<Box<(Tree, Tree)>>,
}

impl Tree {
    /// Splits `units` at the border nearest to the middle: between texts, else between sentences,
    /// else after punctuation, else in the middle. `borders` has one list per kind, strongest
    /// first.
    pub fn over(units: Range<usize>, borders: &[Vec<usize>]) -> Self {
        if units.len() < 2 {
            return Self { units, halves: None };
        }
        let distance = |border: &usize| (2 * border).abs_diff(units.start + units.end);
        let nearest = |kind: &Vec<usize>| {
            let inside = kind.iter().filter(|b| units.start < **b && **b < units.end);
            inside.min_by_key(|border| (distance(border), **border)).copied()
        };
        let middle = (units.start + units.end) / 2;
        let split = borders.iter().find_map(nearest).unwrap_or(middle);
        let half = |part| Self::over(part, borders);
        let halves = (half(units.start..split), half(split..units.end));
        Self { units, halves: Some(Box::new(halves)) }
    }
}

/// A node that is not expanded yet, and the scalar without and with it, given `others`.
#[derive(Debug)]
struct OpenNode<'a> {
    node: &'a Tree,
    others: Mask,
    without: f64,
    with: f64,
    weight: f64,
    order: usize,
}

impl OpenNode<'_> {
    /// Returns the contribution of all its units together.
    fn contribution(&self) -> f64 {
        self.weight * (self.with - self.without)
    }

    /// Returns the coalition of `others` and the units of `part`.
    fn mask(&self, part: &Tree) -> Mask {
        let mut mask = self.others.clone();
        mask[part.units.clone()].fill(true);
        mask
    }
}

/// Orders by magnitude of the contribution, then oldest first.
impl Ord for OpenNode<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let contribution = self.contribution().abs().total_cmp(&other.contribution().abs());
        contribution.then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for OpenNode<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OpenNode<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for OpenNode<'_> {}

/// Divides one scalar among the units. Nodes with the largest contribution are expanded first. The
/// values of coalitions are requested in rounds.
pub struct Shares<'a> {
    /// Contributions of the units that are leaves already, `[units]`.
    leaves: Vec<f64>,
    open: BinaryHeap<OpenNode<'a>>,
    next: usize,
}

/// Nodes to be expanded together.
pub struct Round<'a>(Vec<OpenNode<'a>>);

impl<'a> Shares<'a> {
    /// Starts from the scalar without any units and with all units.
    pub fn new(tree: &'a Tree, empty: f64, full: f64) -> Self {
        let others = vec![false; tree.units.len()];
        let mut shares =
            Self { leaves: vec![0.; tree.units.len()], open: BinaryHeap::new(), next: 0 };
        shares.add(tree, others, empty, full, 1.);
        shares
    }

    fn add(&mut self, node: &'a Tree, others: Mask, without: f64, with: f64, weight: f64) {
        let open = OpenNode { node, others, without, with, weight, order: self.next };
        self.next += 1;
        match node.halves {
            Some(_) => self.open.push(open),
            None => self.leaves[node.units.start] += open.contribution(),
        }
    }

    /// Returns up to `count` nodes to expand, and the two coalitions that each needs.
    pub fn round(&mut self, count: usize) -> (Round<'a>, Vec<Mask>) {
        let nodes: Vec<OpenNode<'a>> = std::iter::from_fn(|| self.open.pop()).take(count).collect();
        let masks = |open: &OpenNode<'a>| {
            open.node.halves.as_ref().map(|halves| [open.mask(&halves.0), open.mask(&halves.1)])
        };
        let masks = nodes.iter().filter_map(masks).flatten().collect();
        (Round(nodes), masks)
    }

    /// Expands the nodes of a round, given the values of its coalitions.
    pub fn take(&mut self, Round(nodes): Round<'a>, values: &[f64]) {
        for (open, values) in nodes.into_iter().zip(values.chunks(2)) {
            let (&[left_alone, right_alone], Some(halves)) = (values, &open.node.halves) else {
                continue;
            };
            let ((left, right), weight) = (&**halves, open.weight / 2.);
            let (with_left, with_right) = (open.mask(left), open.mask(right));
            self.add(left, open.others.clone(), open.without, left_alone, weight);
            self.add(right, with_left, left_alone, open.with, weight);
            self.add(right, open.others, open.without, right_alone, weight);
            self.add(left, with_right, right_alone, open.with, weight);
        }
    }

    /// Puts back the nodes of a round that is not run.
    pub fn put_back(&mut self, Round(nodes): Round<'a>) {
        self.open.extend(nodes);
    }

    /// Returns whether no node has been expanded yet.
    pub fn is_untouched(&self) -> bool {
        self.next == 1
    }

    /// Returns whether every unit has its own share.
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns one share per unit. Units of an unexpanded node share its contribution evenly.
    pub fn scores(&self) -> Vec<f64> {
        let mut scores = self.leaves.clone();
        for open in &self.open {
            let part = open.contribution() / open.node.units.len() as f64;
            scores[open.node.units.clone()].iter_mut().for_each(|score| *score += part);
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A game with a bonus for pairs of neighbours.
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
    fn shares_add_up_at_any_depth_of_expansion() {
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
