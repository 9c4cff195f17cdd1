//! Attention flow: how much can flow from what the head reads down to each input
//! token, if attention weights are the widths of pipes between layers.

use futures_util::FutureExt;

use super::spread::{Square, with_residual};
use super::{AS_GIVEN, Attribution, Cost, MethodEntry, NEVER, Subject};
use crate::error::Result;
use crate::passes::Passes;
use crate::rows::{MapKind, Scalar};

pub const ENTRY: MethodEntry = MethodEntry {
    name: "attention_flow",
    summary: "Maximum flow from what the head reads to each input token, with attention and the \
              residual connection as capacities. Not about a class: the same for every target \
              that reads the same token.",
    paper: "Abnar & Zuidema 2020, arXiv:2005.00928",
    options: &[],
    settle: AS_GIVEN,
    signed: false,
    complete: false,
    stops_in_time: NEVER,
    cost_note: "1 forward row, and a maximum flow for each token",
    // A flow for each token takes as long as some forward passes.
    cost: |_, tokens, _| Cost { forward_rows: 1 + tokens, gradient_rows: 0 },
    run: |passes, subject, _options| run(passes, subject).boxed(),
};

/// For each token the maximum flow from the query at the top of the layered graph
/// to that token at its bottom; capacities are `A' = (A + I) / 2`, A the mean over
/// heads. Of several queries, the mean of their flows.
async fn run(passes: &Passes, subject: Subject<'_>) -> Result<Vec<Attribution>> {
    let maps = subject.maps(passes, MapKind::Weights).await?;
    let layers: Vec<Square> = maps.iter().map(with_residual).collect();
    let queries: Vec<Vec<usize>> = subject
        .scalars
        .iter()
        .map(|scalar: &Scalar| subject.queries(scalar, passes.model()))
        .collect();
    let flows = passes.compute(move |go_on| {
        let mut known: Vec<(usize, Vec<f64>)> = Vec::new();
        let scores = |queries: &Vec<usize>| {
            let mut mean = vec![0.; layers.first().map_or(0, Vec::len)];
            for &query in queries {
                if !known.iter().any(|(other, _)| *other == query) {
                    known.push((query, flows(&layers, query, go_on)?));
                }
                let Some((_, flows)) = known.iter().find(|(other, _)| *other == query) else {
                    continue;
                };
                mean.iter_mut().zip(flows).for_each(|(m, f)| *m += f / queries.len() as f64);
            }
            Some(mean)
        };
        queries.iter().map(scores).collect::<Option<Vec<_>>>()
    });
    let flows = flows.await?.ok_or_else(|| passes.late())?;
    Ok(flows.into_iter().map(Attribution::plain).collect())
}

/// The maximum flow from `query` at the top to each token; none where it is not
/// wanted any more.
fn flows(layers: &[Square], query: usize, go_on: &dyn Fn() -> bool) -> Option<Vec<f64>> {
    let tokens = layers.first().map_or(0, Vec::len);
    (0..tokens).map(|token| go_on().then(|| Network::new(layers).flow(query, token))).collect()
}

/// What less than this is left of a pipe counts as full.
const NOTHING: f64 = 1e-14;

/// The layered graph. Node `level · tokens + token`; level 0 is the input. The
/// edges between level and level + 1 are a square, query above by key below;
/// `used` is what flows down each of them, and can be taken back.
struct Network<'a> {
    layers: &'a [Square],
    tokens: usize,
    used: Vec<Square>,
}

impl<'a> Network<'a> {
    fn new(layers: &'a [Square]) -> Self {
        let tokens = layers.first().map_or(0, Vec::len);
        Self { layers, tokens, used: vec![vec![vec![0.; tokens]; tokens]; layers.len()] }
    }

    /// Dinic's algorithm: blocking flows along shortest ways, until there is none.
    fn flow(&mut self, query: usize, token: usize) -> f64 {
        let source = self.layers.len() * self.tokens + query;
        let mut total = 0.;
        loop {
            let distances = self.distances(source, token);
            if distances[token] == usize::MAX {
                return total;
            }
            let mut tried = vec![0; distances.len()];
            loop {
                let pushed = self.push(source, token, f64::INFINITY, &distances, &mut tried);
                if pushed <= NOTHING {
                    break;
                }
                total += pushed;
            }
        }
    }

    /// Neighbour number `i` of a node and the room on the way there: keys below
    /// first, then queries above that something came from.
    fn neighbour(&self, node: usize, i: usize) -> Option<(usize, f64)> {
        let (level, at, n) = (node / self.tokens, node % self.tokens, self.tokens);
        let (below, other) = (i < n, i % n);
        if i >= 2 * n {
            return None;
        }
        Some(match below {
            true if level > 0 => {
                let square = level - 1;
                let room = self.layers[square][at][other] - self.used[square][at][other];
                (square * n + other, room)
            }
            false if level < self.layers.len() => {
                ((level + 1) * n + other, self.used[level][other][at])
            }
            _ => (node, 0.),
        })
    }

    fn carry(&mut self, from: usize, to: usize, amount: f64) {
        let n = self.tokens;
        let (from_level, to_level) = (from / n, to / n);
        match from_level > to_level {
            true => self.used[to_level][from % n][to % n] += amount,
            false => self.used[from_level][to % n][from % n] -= amount,
        }
    }

    fn distances(&self, source: usize, sink: usize) -> Vec<usize> {
        let mut distances = vec![usize::MAX; (self.layers.len() + 1) * self.tokens];
        distances[source] = 0;
        let mut waiting = std::collections::VecDeque::from([source]);
        while let Some(node) = waiting.pop_front() {
            if node == sink {
                break;
            }
            for i in 0..2 * self.tokens {
                let Some((other, room)) = self.neighbour(node, i) else { break };
                if room > NOTHING && distances[other] == usize::MAX {
                    distances[other] = distances[node] + 1;
                    waiting.push_back(other);
                }
            }
        }
        distances
    }

    /// Sends up to `limit` on from `node`; ways that are found full are not tried
    /// again.
    fn push(
        &mut self,
        node: usize,
        sink: usize,
        limit: f64,
        distances: &[usize],
        tried: &mut [usize],
    ) -> f64 {
        if node == sink {
            return limit;
        }
        while let Some((other, room)) = self.neighbour(node, tried[node]) {
            let closer = distances[other] != usize::MAX && distances[other] == distances[node] + 1;
            if closer && room > NOTHING {
                let pushed = self.push(other, sink, limit.min(room), distances, tried);
                if pushed > NOTHING {
                    self.carry(node, other, pushed);
                    return pushed;
                }
            }
            tried[node] += 1;
        }
        0.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_cut_bounds_the_flow() {
        // From query 0: 0.7 to itself and 0.3 to 1 above; below, both give token 1
        // a quarter.
        let above = vec![vec![0.7, 0.3], vec![0.5, 0.5]];
        let below = vec![vec![0.75, 0.25], vec![0.75, 0.25]];
        let flows = flows(&[below, above], 0, &|| true).unwrap();
        assert!((flows[0] - 1.).abs() < 1e-12, "0.7 by the left, 0.3 by the right");
        assert!((flows[1] - 0.5).abs() < 1e-12, "twice a quarter");
        assert_eq!(super::flows(&[vec![vec![1.]]], 0, &|| false), None);
    }
}
