//! Selects the flips to return: few edits, and different words.

use std::collections::HashSet;

use super::trials::{Changes, Trials};

/// Returns up to `n` flips, fewest edits first, then largest margin. Prefers flips that share no
/// word with a selected one, then flips that change another set of words, then any.
pub fn diverse(trials: &Trials<'_>, mut all: Vec<Changes>, n: usize) -> Vec<Changes> {
    let margin = |changes: &Changes| trials.margin(changes);
    all.sort_by(|a, b| {
        let by_margin = margin(b).total_cmp(&margin(a));
        a.len().cmp(&b.len()).then(by_margin).then_with(|| a.cmp(b))
    });
    let mut chosen: Vec<Changes> = Vec::new();
    let rules: [fn(&Changes, &Changes) -> bool; 3] = [are_disjoint, words_differ, |_, _| true];
    for rule in rules {
        for changes in &all {
            let new = !chosen.contains(changes) && chosen.iter().all(|own| rule(own, changes));
            if chosen.len() < n && new {
                chosen.push(changes.clone());
            }
        }
    }
    chosen.sort_by_key(Vec::len);
    chosen
}

/// Greedily counts flips that share no word with one another.
pub fn varied(all: &HashSet<Changes>) -> usize {
    let mut sets: Vec<&Changes> = all.iter().collect();
    sets.sort();
    let mut disjoint: Vec<&Changes> = Vec::new();
    for changes in sets {
        if disjoint.iter().all(|own| are_disjoint(own, changes)) {
            disjoint.push(changes);
        }
    }
    disjoint.len()
}

fn are_disjoint(a: &Changes, b: &Changes) -> bool {
    !a.iter().any(|(word, _)| b.iter().any(|(other, _)| other == word))
}

fn words_differ(a: &Changes, b: &Changes) -> bool {
    !a.iter().map(|(word, _)| word).eq(b.iter().map(|(word, _)| word))
}
