//! The flags that say what to explain of a text, and how.

use clap::Args;
use serde_json::{Map, Value, json};

use super::numbers;

/// Fields of the body of POST /explain.
#[derive(Args)]
pub struct Asked {
    /// Methods that `explaind methods` lists, separated by commas; may be repeated.
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    method: Vec<String>,
    /// Also measure how far each method can be trusted.
    #[arg(long)]
    evaluate: bool,
    /// Also list the samples of the model's corpus that are most like the text.
    #[arg(long)]
    examples: bool,
    /// Read a text over the model's limit in windows that overlap by at least this many tokens.
    #[arg(long, value_name = "STRIDE", value_parser = numbers::whole::<usize>)]
    window: Option<usize>,
    /// More fields of the body of POST /explain, such as '{"target": "all", "attention": false}'.
    #[arg(long, value_name = "JSON", value_parser = object)]
    options: Option<Map<String, Value>>,
}

impl Asked {
    /// Returns the fields of a request. `others` are those that are not set by these flags.
    ///
    /// # Errors
    /// Fails if a field is set twice, or if `--options` has one of `others`.
    pub fn fields(&self, others: &[&str]) -> Result<Map<String, Value>, String> {
        let mut fields = self.options.clone().unwrap_or_default();
        if let Some(other) = others.iter().find(|name| fields.contains_key(**name)) {
            return Err(format!("--options cannot set {other}"));
        }
        let flags = [
            ("--method", "methods", (!self.method.is_empty()).then(|| json!(self.method))),
            ("--evaluate", "evaluate", self.evaluate.then(|| json!("all"))),
            ("--examples", "evidence", self.examples.then(|| json!({ "examples": {} }))),
            ("--window", "window", self.window.map(|stride| json!({ "stride": stride }))),
        ];
        for (flag, field, value) in flags {
            let Some(value) = value else { continue };
            if fields.insert(field.to_owned(), value).is_some() {
                return Err(format!("{flag} and --options both set {field}"));
            }
        }
        if self.window.is_some() {
            // A text in several windows has no attention, and asking for it would cause a warning.
            fields.entry("attention").or_insert(Value::Bool(false));
        }
        Ok(fields)
    }
}

/// The flags of fields, by the start of their JSON pointers.
pub const FLAGS: [(&str, &str); 4] = [
    ("/methods", "--method"),
    ("/window", "--window"),
    ("/evaluate", "--evaluate"),
    ("/evidence", "--examples"),
];

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("it must be a JSON object: {error}"))
}
