//! Spans of equal shape, which run as one batch.

use std::sync::Arc;

use crate::backend::Span;

/// Consecutive spans of equal shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub spans: usize,
    pub queries: usize,
    pub keys: usize,
    chosen: Option<Arc<[usize]>>,
}

impl Group {
    /// Returns the positions of the queries in their row.
    pub fn positions(&self) -> Vec<usize> {
        self.chosen.as_ref().map_or_else(|| (0..self.queries).collect(), |chosen| chosen.to_vec())
    }
}

/// Groups consecutive spans of equal shape.
pub fn groups(spans: &[Span]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for span in spans {
        let (queries, keys) = (span.queries.len(), span.keys.len());
        match groups.last_mut() {
            Some(group)
                if (group.queries, group.keys, &group.chosen) == (queries, keys, &span.chosen) =>
            {
                group.spans += 1;
            }
            _ => groups.push(Group { spans: 1, queries, keys, chosen: span.chosen.clone() }),
        }
    }
    groups
}
