//! The explained scalar.

use super::{Class, ScalarName, Target};
use crate::choice::Choice;
use crate::explanation::{self, Named, Resolved};

pub fn target(target: &Resolved) -> Target {
    Target { token: target.token, what: scalar_name(&target.what) }
}

pub fn scalar_name(name: &explanation::ScalarName) -> ScalarName {
    let class = |named: &Named| Class { label: named.label.to_string(), index: named.index };
    match name {
        explanation::ScalarName::Class(named) => ScalarName::Class(class(named)),
        explanation::ScalarName::Contrast(a, b) => {
            ScalarName::Contrast { contrast: [class(a), class(b)] }
        }
        explanation::ScalarName::SpanBoundary(boundary) => {
            ScalarName::SpanBoundary { position: boundary.name() }
        }
        explanation::ScalarName::Cosine(0) => ScalarName::Cosine { cosine: "text" },
        explanation::ScalarName::Cosine(_) => ScalarName::Cosine { cosine: "text_pair" },
    }
}
