//! Extracts the tensors of a state dict from the values of a pickle.

use super::machine::{Id, Value, Values};

/// A view of a storage, in elements.
#[derive(Debug)]
pub struct Tensor {
    pub storage: Storage,
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

#[derive(Debug)]
pub struct Storage {
    /// Such as `FloatStorage`.
    pub class: String,
    pub key: String,
    /// Number of elements.
    pub count: u64,
}

/// A name and its tensor, or why the tensor cannot be read.
pub type Named = (String, Result<Tensor, String>);

/// Returns the entries of a dictionary of tensors. Other values are skipped.
pub fn tensors(values: &Values, top: Id) -> Result<Vec<Named>, String> {
    let Value::Dict(entries) = values.get(top) else {
        return Err("is not a dictionary of tensors; save the model's state_dict()".to_owned());
    };
    let mut tensors = Vec::new();
    for &(key, value) in entries {
        let (Some(name), Value::Call(callable, arguments)) = (values.text(key), values.get(value))
        else {
            continue;
        };
        let tensor = view(values, *callable, *arguments);
        tensors.push((name.to_owned(), tensor));
    }
    Ok(tensors)
}

/// Evaluates `_rebuild_tensor_v2(storage, offset, size, stride, …)`, or `_rebuild_parameter`
/// around it.
fn view(values: &Values, callable: Id, arguments: Id) -> Result<Tensor, String> {
    let function = values.global(callable).unwrap_or("something");
    let arguments = values.tuple(arguments).unwrap_or_default();
    match (function, arguments) {
        ("torch._utils._rebuild_parameter", &[data, ..]) => match values.get(data) {
            // At most one level of recursion.
            &Value::Call(callable, inner) if values.global(callable) != Some(function) => {
                view(values, callable, inner)
            }
            _ => Err("is a parameter without a tensor".to_owned()),
        },
        (
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
            &[storage, offset, size, stride, ..],
        ) => rebuilt(values, [storage, offset, size, stride])
            .ok_or_else(|| "has an invalid description".to_owned()),
        _ => Err(format!("is built by {function}, which is not supported")),
    }
}

fn rebuilt(values: &Values, [storage, offset, size, stride]: [Id; 4]) -> Option<Tensor> {
    let Value::Persistent(name) = values.get(storage) else { return None };
    let tensor = Tensor {
        storage: self::storage(values, *name)?,
        offset: values.count(offset)?,
        shape: counts(values, size)?,
        strides: counts(values, stride)?,
    };
    (tensor.shape.len() == tensor.strides.len()).then_some(tensor)
}

/// Parses `("storage", class, key, location, count)`. Before PyTorch 1.6 there is a sixth
/// element, which is None unless the storage is a view of another.
pub fn storage(values: &Values, name: Id) -> Option<Storage> {
    let (kind, class, key, count) = match *values.tuple(name)? {
        [kind, class, key, _, count] => (kind, class, key, count),
        [kind, class, key, _, count, part] if matches!(values.get(part), Value::None) => {
            (kind, class, key, count)
        }
        _ => return None,
    };
    let class = values.global(class)?.rsplit('.').next()?.to_owned();
    let (key, count) = (values.text(key)?.to_owned(), values.count(count)?);
    (values.text(kind)? == "storage").then_some(Storage { class, key, count })
}

fn counts(values: &Values, id: Id) -> Option<Vec<usize>> {
    let items = values.tuple(id)?.iter();
    items.map(|&item| usize::try_from(values.count(item)?).ok()).collect()
}
