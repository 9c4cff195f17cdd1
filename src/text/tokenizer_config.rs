//! tokenizer_config.json, special_tokens_map.json and added_tokens.json, merged as in
//! transformers.

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::checkpoint::layout::{ADDED_TOKENS, SPECIAL_TOKENS};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, TOKENIZER_CONFIG};

/// The special tokens of all classes, in transformers' order.
pub const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Special tokens without a role.
pub const EXTRA: &str = "extra_special_tokens";
/// The name of [`EXTRA`] in transformers 4.
const ADDITIONAL: &str = "additional_special_tokens";
/// Added tokens by id. If it exists, the older files are ignored.
const DECODER: &str = "added_tokens_decoder";

#[derive(Debug, Default)]
pub struct TokenizerConfig {
    /// The transformers class, without the suffix `Fast`.
    pub class: Option<String>,
    pub model_type: Option<String>,
    fields: Map<String, Value>,
    /// The content of added_tokens.json: ids by token.
    old_added: Map<String, Value>,
}

impl TokenizerConfig {
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        let mut fields = checkpoint.object(TOKENIZER_CONFIG)?;
        let model = checkpoint.object(CONFIG)?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let named = text(fields.get("tokenizer_class")).or(text(model.get("tokenizer_class")));
        let class = named.map(|name| name.strip_suffix("Fast").unwrap_or(&name).to_owned());
        let truthy = |value: Option<&Value>| value.is_some_and(|value| !is_empty(value));
        if fields.contains_key(ADDITIONAL) && !truthy(fields.get(EXTRA)) {
            let additional = fields.remove(ADDITIONAL).unwrap_or_default();
            fields.insert(EXTRA.to_owned(), additional);
        }
        let mut old_added = Map::new();
        if !fields.contains_key(DECODER) {
            overlay(&mut fields, checkpoint.object(SPECIAL_TOKENS)?);
            old_added = checkpoint.object(ADDED_TOKENS)?;
        }
        Ok(Self { class, model_type: text(model.get("model_type")), fields, old_added })
    }

    /// Returns a field; null if it is missing.
    pub fn field(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.field(name).as_bool()
    }

    /// Returns the maximum length in tokens. Files without a limit may have 1e30.
    pub fn max_length(&self) -> Option<usize> {
        let field = [self.field("model_max_length"), self.field("max_len")];
        let limit = field.into_iter().find_map(Value::as_f64);
        limit.filter(|limit| *limit >= 1.).map(|limit| limit as usize)
    }

    /// Whether `model_input_names` contains `name`; `None` if there is no such list.
    pub fn gives(&self, name: &str) -> Option<bool> {
        let names = self.field("model_input_names").as_array()?;
        Some(names.iter().any(|own| own.as_str() == Some(name)))
    }

    /// Returns the entry of a special token such as `pad_token`. Null means no such token.
    pub fn role(&self, role: &str) -> Option<&Value> {
        self.fields.get(role)
    }

    /// Returns the content of a special token, if a file has it.
    pub fn special(&self, role: &str) -> Option<&str> {
        self.role(role).and_then(content)
    }

    /// Returns special tokens with custom names, such as `entity_token`.
    pub fn named(&self) -> impl Iterator<Item = &Value> {
        let own = |name: &&String| name.ends_with("_token") && !ROLES.contains(&name.as_str());
        let fields = self.fields.iter().filter(move |(name, _)| own(name)).map(|(_, value)| value);
        let extra = self.field(EXTRA).as_object().into_iter().flat_map(Map::values);
        fields.chain(extra).filter(|value| content(value).is_some())
    }

    /// Returns the special tokens without a name; `None` if no file has a list of them.
    pub fn extra(&self) -> Option<&[Value]> {
        let list = match self.field(EXTRA) {
            Value::Null => self.field(ADDITIONAL),
            extra => extra,
        };
        list.as_array().map(Vec::as_slice)
    }

    /// Returns the added tokens of tokenizer_config.json and their ids; `None` if there are none.
    pub fn decoder(&self) -> Option<Vec<(u32, AddedToken)>> {
        let entries = self.field(DECODER).as_object()?;
        let entry = |(id, entry): (&String, &Value)| {
            let token = added(entry, false)?;
            Some((id.parse().ok()?, token))
        };
        Some(entries.iter().filter_map(entry).collect())
    }

    /// Returns the tokens of added_tokens.json. `special` ones are matched in the original
    /// text, others in the normalized text.
    pub fn old_added(&self, special: impl Fn(&str) -> bool) -> Vec<(u32, AddedToken)> {
        let entry = |(content, id): (&String, &Value)| {
            let id = u32::try_from(id.as_u64()?).ok()?;
            Some((id, AddedToken::from(content.as_str(), special(content))))
        };
        self.old_added.iter().filter_map(entry).collect()
    }
}

/// Returns the content of a token entry, which is a string or an object.
pub fn content(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| entry["content"].as_str())
}

/// Parses a token entry. `special` is the default for its field of that name.
pub fn added(entry: &Value, special: bool) -> Option<AddedToken> {
    let flag = |name: &str| entry[name].as_bool();
    let special = flag("special").unwrap_or(special);
    let token = AddedToken::from(content(entry)?, special)
        .single_word(flag("single_word").unwrap_or_default())
        .lstrip(flag("lstrip").unwrap_or_default())
        .rstrip(flag("rstrip").unwrap_or_default());
    Some(token.normalized(flag("normalized").unwrap_or(!special)))
}

/// Overrides `fields` with special_tokens_map.json. Lists of unnamed tokens are joined.
fn overlay(fields: &mut Map<String, Value>, map: Map<String, Value>) {
    for (name, mut value) in map {
        if let (EXTRA, Some(known), Some(more)) =
            (name.as_str(), fields.get(&name).and_then(Value::as_array), value.as_array_mut())
        {
            more.retain(|token| !known.contains(token));
            more.splice(0..0, known.iter().cloned());
        }
        fields.insert(name, value);
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
