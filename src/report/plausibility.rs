//! How far a method agrees with the words that people marked.

use super::Record;
use super::run::values_of;
use crate::evaluation::interval::Interval;

pub const TOKEN_F1: &str = "plausibility.token_f1";

/// The agreement of one method with people, over all texts with marked words.
#[derive(Debug, Clone, PartialEq)]
pub struct Plausibility {
    pub all: Agreement,
    /// Over the texts where the prediction is the label.
    pub right: Agreement,
    /// Over those where it is not.
    pub wrong: Agreement,
}

/// Means over some texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    pub texts: usize,
    pub token_f1: Option<Interval>,
    pub iou_f1: Option<Interval>,
    pub auprc: Option<Interval>,
}

impl Plausibility {
    pub fn of(records: &[Record], method: &str, seed: u64) -> Self {
        let over = |keep: fn(&&Record) -> bool| {
            let values = |measure| values_of(records.iter().filter(keep), method, measure);
            let interval = |measure| Interval::of(&values(measure), seed);
            Agreement {
                texts: values(TOKEN_F1).len(),
                token_f1: interval(TOKEN_F1),
                iou_f1: interval("plausibility.iou_f1"),
                auprc: interval("plausibility.auprc"),
            }
        };
        Self {
            all: over(|_| true),
            right: over(|record| record.correct == Some(true)),
            wrong: over(|record| record.correct == Some(false)),
        }
    }
}
