//! What the small files beside a tokenizer say: tokenizer_config.json,
//! special_tokens_map.json and added_tokens.json, as transformers puts them together.

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::checkpoint::layout::{ADDED_TOKENS, SPECIAL_TOKENS};
use crate::checkpoint::{CONFIG, Checkpoint, LoadError, TOKENIZER_CONFIG};

/// The special tokens that every class knows, in transformers' order.
pub const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Special tokens that play no role.
pub const EXTRA: &str = "extra_special_tokens";
/// What transformers 4 called [`EXTRA`].
const ADDITIONAL: &str = "additional_special_tokens";
/// Whole entries of added tokens by id. Where it is, the older files are not read.
const DECODER: &str = "added_tokens_decoder";

#[derive(Debug, Default)]
pub struct TokenizerConfig {
    /// transformers' class, without `Fast`.
    pub class: Option<String>,
    pub model_type: Option<String>,
    fields: Map<String, Value>,
    /// added_tokens.json: ids by content.
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

    /// A field as it is written; null where it is not.
    pub fn field(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.field(name).as_bool()
    }

    /// The most tokens of a text. May be as large as 1e30 in files that know no limit.
    pub fn max_length(&self) -> Option<usize> {
        let field = [self.field("model_max_length"), self.field("max_len")];
        let limit = field.into_iter().find_map(Value::as_f64);
        limit.filter(|limit| *limit >= 1.).map(|limit| limit as usize)
    }

    /// Whether `model_input_names` has a name; none where there is no such list.
    pub fn gives(&self, name: &str) -> Option<bool> {
        let names = self.field("model_input_names").as_array()?;
        Some(names.iter().any(|own| own.as_str() == Some(name)))
    }

    /// What is said of a special token such as `pad_token`. Null says that there is none.
    pub fn role(&self, role: &str) -> Option<&Value> {
        self.fields.get(role)
    }

    /// The content of a special token that a file names.
    pub fn special(&self, role: &str) -> Option<&str> {
        self.role(role).and_then(content)
    }

    /// Special tokens with names of the checkpoint's own, such as `entity_token`.
    pub fn named(&self) -> impl Iterator<Item = &Value> {
        let own = |name: &&String| name.ends_with("_token") && !ROLES.contains(&name.as_str());
        let fields = self.fields.iter().filter(move |(name, _)| own(name)).map(|(_, value)| value);
        let extra = self.field(EXTRA).as_object().into_iter().flat_map(Map::values);
        fields.chain(extra).filter(|value| content(value).is_some())
    }

    /// Special tokens without a name; none where no file lists any, not even an empty list.
    pub fn extra(&self) -> Option<&[Value]> {
        let list = match self.field(EXTRA) {
            Value::Null => self.field(ADDITIONAL),
            extra => extra,
        };
        list.as_array().map(Vec::as_slice)
    }

    /// The added tokens of tokenizer_config.json, with their ids; none where it lists none.
    pub fn decoder(&self) -> Option<Vec<(u32, AddedToken)>> {
        let entries = self.field(DECODER).as_object()?;
        let entry = |(id, entry): (&String, &Value)| {
            let token = added(entry, false)?;
            Some((id.parse().ok()?, token))
        };
        Some(entries.iter().filter_map(entry).collect())
    }

    /// The tokens of added_tokens.json. Those that are `special` are found in a text as it
    /// is written, others as the tokenizer normalises it.
    pub fn old_added(&self, special: impl Fn(&str) -> bool) -> Vec<(u32, AddedToken)> {
        let entry = |(content, id): (&String, &Value)| {
            let id = u32::try_from(id.as_u64()?).ok()?;
            Some((id, AddedToken::from(content.as_str(), special(content))))
        };
        self.old_added.iter().filter_map(entry).collect()
    }
}

/// The content of a token that is written as a string, or as an object with more.
pub fn content(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| entry["content"].as_str())
}

/// A token as a file writes it; `special` where it does not say.
pub fn added(entry: &Value, special: bool) -> Option<AddedToken> {
    let flag = |name: &str| entry[name].as_bool();
    let special = flag("special").unwrap_or(special);
    let token = AddedToken::from(content(entry)?, special)
        .single_word(flag("single_word").unwrap_or_default())
        .lstrip(flag("lstrip").unwrap_or_default())
        .rstrip(flag("rstrip").unwrap_or_default());
    Some(token.normalized(flag("normalized").unwrap_or(!special)))
}

/// special_tokens_map.json goes before tokenizer_config.json; unnamed tokens are joined.
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
