//! The commands beside `serve`, one file each.

pub mod evaluate;
pub mod explain;
pub mod healthcheck;
pub mod list;

use explaind::checkpoint::Source;
use explaind::config::ModelEntry;

use crate::Failure;

/// `[ID=]SOURCE`
pub fn model_entry(text: &str) -> Result<ModelEntry, Failure> {
    let (id, source) = match text.split_once('=') {
        Some((id, source)) => (Some(id.to_owned()), source),
        None => (None, text),
    };
    let parsed: Source = source.parse()?;
    if let Some(hub) = parsed.meant_for_hub() {
        return Err(format!("there is no folder {source}; a model of the hub is {hub}").into());
    }
    let id = id.unwrap_or_else(|| parsed.default_id());
    Ok(ModelEntry { id, source: source.to_owned(), activation: None })
}
