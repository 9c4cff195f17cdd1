//! SetFit (Tunstall et al. 2022): logistic regression on an embedding. model_head.safetensors
//! contains `coef` `[classes, width]` (one row for two classes), `intercept`, and optionally
//! `classes`, the index of each class in the list of labels.

use serde_json::Value;

use super::activation::OutputActivation;
use super::embedding::chain;
use super::modules::Chain;
use super::{Head, HeadContext, Labels};
use crate::blocks::{self, Linear, Pooling, Step};
use crate::checkpoint::config::{check_names, name};
use crate::checkpoint::layout::SET_FIT;
use crate::checkpoint::{LoadError, Owner, Weights};

pub fn build(parts: &HeadContext<'_>) -> Result<Head, LoadError> {
    let Chain { pool, mut steps, width, .. } = chain(parts)?;
    let config = parts.checkpoint.object(SET_FIT)?;
    let fail = |reason: String| parts.checkpoint.error(SET_FIT, reason);
    if config.get("normalize_embeddings").and_then(Value::as_bool) == Some(true) {
        steps.push(Step::Unit);
    }
    let weights = Weights::of(parts.checkpoint, &Owner::Classifier)?;
    let rows = weights.rows("coef", width)?;
    let map = Linear {
        weight: weights.tensor("coef", &[rows, width])?,
        bias: Some(weights.tensor("intercept", &[rows])?),
        input: width,
        out: rows,
    };
    steps.push(Step::map(map, None));
    if rows == 1 {
        steps.push(Step::Binary);
    }
    let count = rows.max(2);
    let classes = weights.integers("classes", count)?;
    let classes = classes.unwrap_or_else(|| (0..count as i64).collect());
    let labels = labels(config.get("labels"), &classes).map_err(fail)?;
    Ok(Head {
        block: blocks::Head { pooling: Pooling::Whole(pool), steps },
        labels: Labels::Named(labels),
        activation: OutputActivation::Softmax,
    })
}

/// Returns the name of each class, by its index in the list.
fn labels(list: Option<&Value>, classes: &[i64]) -> Result<Vec<String>, String> {
    let list = match list {
        None | Some(Value::Null) => return Ok(super::placeholders(classes.len())),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(format!("labels is {other}, not a list of names")),
    };
    let of_class = |class: &i64| {
        let value = usize::try_from(*class).ok().and_then(|index| list.get(index));
        value.and_then(name).ok_or_else(|| format!("labels has no name for class {class}"))
    };
    let names = classes.iter().map(of_class).collect::<Result<Vec<_>, _>>()?;
    check_names(&names)?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_found_by_index_or_refused() {
        assert_eq!(labels(None, &[0, 1]).unwrap(), ["LABEL_0", "LABEL_1"]);
        assert_eq!(labels(Some(&json!(["no", 1])), &[0, 1]).unwrap(), ["no", "1"]);
        assert_eq!(labels(Some(&json!(["a", "b", "c"])), &[0, 2]).unwrap(), ["a", "c"]);
        for list in [json!(["no"]), json!(["a", "a"]), json!({"0": "a"}), json!([[], "a"])] {
            assert!(labels(Some(&list), &[0, 1]).is_err(), "{list}");
        }
        assert!(labels(Some(&json!(["a", "b"])), &[-1, 0]).is_err());
    }
}
