//! How many words a reader has to keep in mind (Bhatt, Weller & Moura 2020).

use futures_util::FutureExt;

use super::statistics::{entropy, gini};
use super::{MeasureEntry, Value};

pub const ENTRY: MeasureEntry = MeasureEntry {
    name: "complexity",
    summary: "Concentration of the words' magnitudes: entropy of their shares in nats, the number \
              of equal shares with that entropy, and Gini coefficient (0: all equal).",
    paper: "Bhatt, Weller & Moura 2020, arXiv:2005.00631; Chalasani et al. 2020, arXiv:1810.06583",
    better: "fewer effective words are easier to read, not more faithful",
    cost: |_, _, _| 0,
    run: |bench, scored| async move { Ok(measure(&bench.words_of(scored.scores))) }.boxed(),
};

fn measure(words: &[f64]) -> Option<Value> {
    let (entropy, gini) = (entropy(words)?, gini(words)?);
    Some(Value::Named(vec![
        ("entropy", entropy),
        ("effective_words", entropy.exp()),
        ("gini", gini),
    ]))
}
