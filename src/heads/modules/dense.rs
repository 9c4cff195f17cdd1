//! The Dense module: a linear map, one of torch's activations, and optionally a residual.

use serde_json::Value;

use super::ModuleReader;
use crate::blocks::{Activation, Dense, Residual};
use crate::checkpoint::LoadError;
use crate::checkpoint::weights::Bias;

pub fn read(module: &ModuleReader<'_>, input: usize) -> Result<Dense, LoadError> {
    module.size("in_features", input)?;
    let out = module.number("out_features")?;
    let flag = |name: &str, default: bool| {
        module.config.get(name).and_then(Value::as_bool).unwrap_or(default)
    };
    let bias = if flag("bias", true) { Bias::Stored } else { Bias::None };
    let activation = activation(module.config.get("activation_function"))
        .map_err(|reason| module.fail(reason))?;
    let weights = module.weights()?;
    let map = weights.map("linear", out, input, bias)?;
    let residual = match flag("use_residual", false) {
        false => Residual::None,
        true if input == out => Residual::Input,
        true => Residual::Map(Box::new(weights.map("residual", out, input, Bias::None)?)),
    };
    Ok(Dense { map, activation, residual })
}

/// Returns the activation for a class name; tanh if there is none.
fn activation(class: Option<&Value>) -> Result<Option<Activation>, String> {
    let class = match class {
        None => return Ok(Some(Activation::Tanh)),
        Some(Value::Null) => return Ok(None),
        Some(class) => class.as_str().unwrap_or_default(),
    };
    // Other classes are custom code of the checkpoint.
    let name = class.strip_prefix("torch.").and_then(|path| path.rsplit('.').next());
    match name {
        Some("Identity") => Ok(None),
        Some("GELU") => Ok(Some(Activation::Gelu)),
        Some("ReLU") => Ok(Some(Activation::Relu)),
        Some("SiLU") => Ok(Some(Activation::Silu)),
        Some("Sigmoid") => Ok(Some(Activation::Sigmoid)),
        Some("Tanh") => Ok(Some(Activation::Tanh)),
        _ => Err(format!(
            "activation_function {class:?} is not known; explaind runs torch's GELU, Identity, \
             ReLU, Sigmoid, SiLU and Tanh"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_torch_activations_are_accepted() {
        let tanh = json!("torch.nn.modules.activation.Tanh");
        assert_eq!(activation(None), Ok(Some(Activation::Tanh)));
        assert_eq!(activation(Some(&tanh)), Ok(Some(Activation::Tanh)));
        assert_eq!(activation(Some(&json!("torch.nn.modules.linear.Identity"))), Ok(None));
        for class in ["torch.nn.modules.activation.Mish", "custom.Tanh", ""] {
            let error = activation(Some(&json!(class))).unwrap_err();
            assert!(error.contains(class), "{error}");
        }
    }
}
