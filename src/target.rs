//! Which of the model's outputs a question is about.

use crate::error::{Code, Error, Result};
use crate::explanation::{Class, Resolved, Target};
use crate::model::Model;
use crate::rows::{Output, Scalar};

impl Resolved {
    /// The scalar to explain.
    pub fn scalar(&self, output: Output) -> Scalar {
        let terms = match *self {
            Self::Class(index) => vec![(index, 1.)],
            Self::Contrast(a, b) => vec![(a, 1.), (b, -1.)],
        };
        Scalar { output, terms }
    }
}

/// Refuses a target that the model does not have.
pub fn check(target: &Target, model: &Model) -> Result<()> {
    match target {
        Target::Predicted | Target::All => Ok(()),
        Target::Class(class) => find(class, model, "/target").map(|_| ()),
        Target::Contrast(a, b) => {
            let a = find(a, model, "/target/contrast/0")?;
            let b = find(b, model, "/target/contrast/1")?;
            if a == b {
                let detail = "the two classes of a contrast must differ";
                return Err(Error::field("/target/contrast", detail));
            }
            Ok(())
        }
    }
}

/// How many scalars the target stands for.
pub fn count(target: &Target, model: &Model) -> usize {
    match target {
        Target::All => model.labels().len(),
        _ => 1,
    }
}

/// The classes that a checked target means, given one input's logits.
pub fn resolve(target: &Target, model: &Model, logits: &[f64]) -> Result<Vec<Resolved>> {
    Ok(match target {
        Target::All => (0..model.labels().len()).map(Resolved::Class).collect(),
        Target::Predicted => vec![Resolved::Class(best(logits))],
        Target::Class(class) => vec![Resolved::Class(find(class, model, "/target")?)],
        Target::Contrast(a, b) => vec![Resolved::Contrast(
            find(a, model, "/target/contrast/0")?,
            find(b, model, "/target/contrast/1")?,
        )],
    })
}

/// The first of the highest logits, as predictions are sorted.
fn best(logits: &[f64]) -> usize {
    let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
    (0..logits.len()).fold(0, better)
}

fn find(class: &Class, model: &Model, pointer: &str) -> Result<usize> {
    let labels = model.labels();
    let found = match class {
        Class::Index(index) => Some(*index).filter(|&index| index < labels.len()),
        Class::Label(name) => labels.iter().position(|label| label == name),
    };
    found.ok_or_else(|| {
        let asked = match class {
            Class::Index(index) => format!("index {index}"),
            Class::Label(name) => format!("label {name:?}"),
        };
        let known: Vec<String> =
            labels.iter().enumerate().map(|(index, label)| format!("{index} {label}")).collect();
        let detail = format!("{} has no {asked}; it has {}", model.id, known.join(", "));
        Error::new(Code::TargetNotFound, detail).at(pointer)
    })
}
