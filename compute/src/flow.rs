//! Attention flow: how much can flow from a query at the top of the layers down to each
//! input token, if attention weights are the widths of pipes between layers (Abnar &
//! Zuidema 2020, arXiv:2005.00928).

use crate::rows::AttentionMap;

/// What less than this is left of a pipe counts as full.
const NOTHING: f64 = 1e-14;

/// Multiply-adds that take about as long as the flows from one query to each token: each pipe
/// is looked at about `4 + tokens / 2` times per token. Within a factor of two for a trained
/// model at 122 tokens and a random one at 30; the pace of passes corrects the rest.
pub fn work(layers: usize, tokens: usize) -> u64 {
    let (layers, tokens) = (layers as u64, tokens as u64);
    let pipes = layers.saturating_mul(tokens).saturating_mul(tokens);
    pipes.saturating_mul(tokens).saturating_mul(4 + tokens / 2)
}

/// The maximum flow from `query` to each token, `[tokens]`. The maps are of every layer,
/// the lowest first, one head each; a pipe is as wide as `A' = (A + I) / 2`, with each
/// query's sum made 1: the residual connection is half of what a layer passes on.
pub fn from_query(maps: &[AttentionMap], query: usize) -> Vec<f64> {
    let tokens = maps.first().map_or(0, |map| map.tokens);
    let mut network = Network {
        tokens,
        widths: maps.iter().flat_map(AttentionMap::with_residual).collect(),
        used: vec![0.; maps.len() * tokens * tokens],
        layers: maps.len(),
    };
    (0..tokens).map(|token| network.flow(query, token)).collect()
}

/// The layered graph. Node `level · tokens + token`; level 0 is the input. Widths and what
/// flows are `[layers, tokens, tokens]`, query above by key below.
struct Network {
    tokens: usize,
    layers: usize,
    widths: Vec<f64>,
    /// What flows down each pipe, and can be taken back.
    used: Vec<f64>,
}

/// A step from one node to the next, down a pipe or back up.
#[derive(Clone, Copy)]
struct Step {
    from: usize,
    to: usize,
    pipe: usize,
    down: bool,
}

impl Network {
    /// Dinic's algorithm: blocking flows along shortest ways, until there is none.
    fn flow(&mut self, query: usize, token: usize) -> f64 {
        self.used.fill(0.);
        let source = self.layers * self.tokens + query;
        let mut total = 0.;
        while let Some(distances) = self.distances(source, token) {
            total += self.block(source, token, &distances);
        }
        total
    }

    /// Number `i` of the steps from a node: to the keys below first, then back to the
    /// queries above.
    fn step(&self, from: usize, i: usize) -> Option<Step> {
        let n = self.tokens;
        let (level, at, other) = (from / n, from % n, i % n);
        match i < n {
            true if level > 0 => {
                let pipe = ((level - 1) * n + at) * n + other;
                Some(Step { from, to: (level - 1) * n + other, pipe, down: true })
            }
            true => self.step(from, i + n),
            false if i < 2 * n && level < self.layers => {
                let pipe = (level * n + other) * n + at;
                Some(Step { from, to: (level + 1) * n + other, pipe, down: false })
            }
            false => None,
        }
    }

    /// What else can take that step.
    fn room(&self, step: Step) -> f64 {
        match step.down {
            true => self.widths[step.pipe] - self.used[step.pipe],
            false => self.used[step.pipe],
        }
    }

    fn carry(&mut self, step: Step, amount: f64) {
        self.used[step.pipe] += if step.down { amount } else { -amount };
    }

    /// Steps from the source to each node; none where the sink cannot be reached.
    fn distances(&self, source: usize, sink: usize) -> Option<Vec<usize>> {
        let mut distances = vec![usize::MAX; (self.layers + 1) * self.tokens];
        distances[source] = 0;
        let mut waiting = std::collections::VecDeque::from([source]);
        while let Some(node) = waiting.pop_front() {
            for step in (0..2 * self.tokens).map_while(|i| self.step(node, i)) {
                if distances[step.to] == usize::MAX && self.room(step) > NOTHING {
                    distances[step.to] = distances[node] + 1;
                    if step.to == sink {
                        return Some(distances);
                    }
                    waiting.push_back(step.to);
                }
            }
        }
        None
    }

    /// Fills every shortest way. Steps that lead nowhere, or are full, are not looked at
    /// again.
    fn block(&mut self, source: usize, sink: usize, distances: &[usize]) -> f64 {
        let (mut total, mut next, mut way) = (0., vec![0; distances.len()], Vec::<Step>::new());
        loop {
            let node = way.last().map_or(source, |step| step.to);
            if node == sink {
                let narrowest = way.iter().map(|step| self.room(*step)).fold(f64::MAX, f64::min);
                way.iter().for_each(|step| self.carry(*step, narrowest));
                total += narrowest;
                let full = way.iter().position(|step| self.room(*step) <= NOTHING);
                way.truncate(full.unwrap_or_default());
                continue;
            }
            match self.step(node, next[node]) {
                Some(step) if self.leads(step, distances) => way.push(step),
                Some(_) => next[node] += 1,
                None => match way.pop() {
                    // Nothing leads on from here: the step to it is of no use.
                    Some(step) => next[step.from] += 1,
                    None => return total,
                },
            }
        }
    }

    fn leads(&self, step: Step, distances: &[usize]) -> bool {
        let closer =
            distances[step.to] != usize::MAX && distances[step.to] == distances[step.from] + 1;
        closer && self.room(step) > NOTHING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(weights: &[f64]) -> AttentionMap {
        let tokens = weights.len().isqrt();
        AttentionMap { heads: 1, tokens, weights: weights.to_vec() }
    }

    #[test]
    fn the_narrowest_cut_bounds_the_flow() {
        // With the residual: from query 0, 0.7 to itself and 0.3 to 1 above; below, tokens
        // give 1 a quarter and three quarters.
        let above = map(&[0.4, 0.6, 0.0, 1.0]);
        let below = map(&[0.5, 0.5, 0.5, 0.5]);
        let flows = from_query(&[below, above], 0);
        assert!((flows[0] - 0.95).abs() < 1e-12, "0.7 by the left, 0.25 by the right: {flows:?}");
        assert!((flows[1] - 0.55).abs() < 1e-12, "0.25 by the left, 0.3 by the right: {flows:?}");
    }

    /// Of two layers it has a closed form: each middle token passes on the lesser of what
    /// comes and what fits.
    #[test]
    fn two_layers_in_closed_form() {
        let mut generator = crate::random::Generator::stream(7, 0);
        let tokens = 9;
        let mut random = || {
            let weights: Vec<f64> =
                (0..tokens * tokens).map(|_| generator.uniform().powi(3)).collect();
            let sums: Vec<f64> = weights.chunks(tokens).map(|row| row.iter().sum()).collect();
            map(&weights.iter().enumerate().map(|(i, w)| w / sums[i / tokens]).collect::<Vec<_>>())
        };
        let maps = [random(), random()];
        let widths: Vec<Vec<f64>> = maps.iter().map(AttentionMap::with_residual).collect();
        let flows = from_query(&maps, 4);
        for token in 0..tokens {
            let through = |k: usize| widths[1][4 * tokens + k].min(widths[0][k * tokens + token]);
            let expected: f64 = (0..tokens).map(through).sum();
            assert!((flows[token] - expected).abs() < 1e-12, "{token}");
        }
    }
}
