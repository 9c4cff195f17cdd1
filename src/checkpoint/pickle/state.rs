//! From a pickle's values to the tensors of a state dict.

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
    /// Its elements.
    pub count: u64,
}

/// A name and its tensor, or why it is none that can be read.
pub type Named = (String, Result<Tensor, String>);

/// The entries of a dictionary of tensors; what is no tensor is left out.
pub fn tensors(values: &Values, top: Id) -> Result<Vec<Named>, String> {
    let Value::Dict(entries) = values.get(top) else {
        return Err("holds no dictionary of tensors; save the model's state_dict()".to_owned());
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

/// What `_rebuild_tensor_v2(storage, offset, size, stride, …)` would return,
/// or a parameter around it.
fn view(values: &Values, callable: Id, arguments: Id) -> Result<Tensor, String> {
    let function = values.global(callable).unwrap_or("something");
    let arguments = values.tuple(arguments).unwrap_or_default();
    match (function, arguments) {
        ("torch._utils._rebuild_parameter", &[data, ..]) => match values.get(data) {
            // Only a tensor's own function can follow: this goes one deeper.
            &Value::Call(callable, inner) if values.global(callable) != Some(function) => {
                view(values, callable, inner)
            }
            _ => Err("is a parameter of no tensor".to_owned()),
        },
        (
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
            &[storage, offset, size, stride, ..],
        ) => rebuilt(values, [storage, offset, size, stride])
            .ok_or_else(|| "is described in a way that makes no sense".to_owned()),
        _ => Err(format!("is what {function} makes, which cannot be read")),
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

/// `("storage", class, key, location, count)`, before PyTorch 1.6 with a sixth
/// that is None unless the storage is a part of another.
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
