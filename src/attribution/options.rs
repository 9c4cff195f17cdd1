//! Method options: each method declares them, requests are validated, responses echo all of them.

use serde_json::{Map, Value};

use crate::choice::Choice;
use crate::error::{Error, Result, pointer_part};

/// The declaration of a method option.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    pub name: &'static str,
    pub kind: OptionKind,
    pub default: Preset,
    pub help: &'static str,
}

/// The values that an option accepts.
#[derive(Debug, Clone, Copy)]
pub enum OptionKind {
    /// One of these names.
    Choice(&'static [&'static str]),
    /// One of these names, or `{"text": "…"}`.
    ChoiceOrText(&'static [&'static str]),
    Integer {
        min: u64,
        max: u64,
    },
    /// An integer in this range, or one of these names.
    IntegerOrName {
        names: &'static [&'static str],
        min: u64,
        max: u64,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// `true` or `false`.
    Boolean,
}

/// The value that lets the method choose a number.
pub const AUTO: &str = "auto";

/// A default value, in a form that can be stored in a `const`.
#[derive(Debug, Clone, Copy)]
pub enum Preset {
    Name(&'static str),
    Integer(u64),
    Number(f64),
    Boolean(bool),
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    Name(&'static str),
    Text(String),
    Integer(u64),
    Number(f64),
    Boolean(bool),
}

/// The options of one method, with defaults filled in, in the order of declaration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    values: Vec<(&'static str, OptionValue)>,
    /// Names of the options that the caller set.
    given: Vec<&'static str>,
}

impl Options {
    /// Validates the options in `given` against the declared `specs`. JSON pointers in errors are
    /// relative to `given`.
    pub fn read(specs: &'static [OptionSpec], given: &Map<String, Value>) -> Result<Self> {
        let unknown = given.keys().find(|name| specs.iter().all(|spec| spec.name != *name));
        if let Some(name) = unknown {
            let known: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let detail = format!("the method has no option {name:?}; its options: {known}");
            return Err(Error::field(pointer_part(name), detail));
        }
        specs
            .iter()
            .map(|spec| {
                let value = match given.get(spec.name) {
                    Some(value) => spec.kind.read(value).ok_or_else(|| {
                        let expects = spec.kind.expects();
                        let detail =
                            format!("{} must be {expects}, not {}", spec.name, shown(value));
                        Error::field(format!("/{}", spec.name), detail)
                    })?,
                    None => spec.default.value(),
                };
                Ok((spec.name, value))
            })
            .collect::<Result<_>>()
            .map(|values| {
                let names = specs.iter().map(|spec| spec.name);
                Self { values, given: names.filter(|name| given.contains_key(*name)).collect() }
            })
    }

    /// Returns whether both have the same values, given or by default.
    pub fn same(&self, other: &Self) -> bool {
        self.values == other.values
    }

    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, OptionValue)> {
        self.values.iter()
    }

    /// Returns whether the method has `option` and no other option rules it out.
    pub fn has(&self, option: &str) -> bool {
        self.values.iter().any(|(name, _)| *name == option)
    }

    /// Returns whether the caller set `option`.
    pub fn is_given(&self, option: &str) -> bool {
        self.given.contains(&option)
    }

    /// Removes an option that has no effect because of another one. Fails if the caller set it.
    pub fn rule_out(&mut self, option: &'static str, reason: &str) -> Result<()> {
        if self.is_given(option) {
            return Err(Error::field(format!("/{option}"), reason));
        }
        self.values.retain(|(name, _)| *name != option);
        Ok(())
    }

    /// Overrides the value of `option`.
    pub fn set(&mut self, option: &str, value: OptionValue) {
        if let Some(entry) = self.values.iter_mut().find(|(name, _)| *name == option) {
            entry.1 = value;
        }
    }

    /// Returns the value of an option that the method declares; panics for other options.
    fn value(&self, name: &str) -> &OptionValue {
        let found = self.values.iter().find(|(option, _)| *option == name);
        &found.expect("methods read only options that they declare").1
    }

    /// Returns the value of an option that is declared with the names of `T`; panics for others.
    pub fn choice<T: Choice>(&self, option: &str) -> T {
        let choice = match self.value(option) {
            OptionValue::Name(name) => T::named(name),
            _ => None,
        };
        choice.expect("methods read an option as the type whose names it is declared with")
    }

    /// Returns the text in an option that accepts one, or `None` if it holds a name.
    pub fn text(&self, option: &str) -> Option<&str> {
        match self.value(option) {
            OptionValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number in an integer option, or `None` if it is `"auto"`.
    pub fn integer(&self, option: &str) -> Option<usize> {
        match self.value(option) {
            OptionValue::Integer(value) => Some(*value as usize),
            _ => None,
        }
    }

    /// Returns the number in a number option; panics for others.
    pub fn number(&self, option: &str) -> f64 {
        let number = match self.value(option) {
            OptionValue::Number(value) => Some(*value),
            _ => None,
        };
        number.expect("methods read only number options as numbers")
    }

    /// Returns the value of a boolean option that the method has; `false` if it was ruled out.
    pub fn is_set(&self, option: &str) -> bool {
        self.has(option) && *self.value(option) == OptionValue::Boolean(true)
    }
}

impl OptionKind {
    fn read(self, value: &Value) -> Option<OptionValue> {
        match self {
            Self::Choice(names) => choice(names, value),
            Self::ChoiceOrText(names) => choice(names, value).or_else(|| text(value)),
            Self::Integer { min, max } => value
                .as_u64()
                .filter(|number| (min..=max).contains(number))
                .map(OptionValue::Integer),
            Self::IntegerOrName { names, min, max } => {
                choice(names, value).or_else(|| Self::Integer { min, max }.read(value))
            }
            Self::Number { min, max } => value
                .as_f64()
                .filter(|number| (min..=max).contains(number))
                .map(OptionValue::Number),
            Self::Boolean => value.as_bool().map(OptionValue::Boolean),
        }
    }

    /// Describes the accepted values, for error messages.
    pub fn expects(self) -> String {
        match self {
            Self::Choice(names) => format!("one of {}", names.join(", ")),
            Self::ChoiceOrText(names) => {
                format!("one of {}, or {{\"text\": \"…\"}}", names.join(", "))
            }
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::IntegerOrName { names, min, max } => {
                let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
                format!("{} or an integer from {min} to {max}", names.join(", "))
            }
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Boolean => "true or false".to_owned(),
        }
    }
}

impl Preset {
    pub fn value(self) -> OptionValue {
        match self {
            Self::Name(name) => OptionValue::Name(name),
            Self::Integer(value) => OptionValue::Integer(value),
            Self::Number(value) => OptionValue::Number(value),
            Self::Boolean(value) => OptionValue::Boolean(value),
        }
    }
}

fn choice(names: &'static [&'static str], value: &Value) -> Option<OptionValue> {
    let given = value.as_str()?;
    names.iter().find(|name| **name == given).map(|name| OptionValue::Name(name))
}

/// The most characters of a value that are repeated in an error.
const MAX_SHOWN: usize = 80;

/// Formats a value that was given, for errors.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        value => value.to_string().chars().take(MAX_SHOWN).collect(),
    }
}

fn text(value: &Value) -> Option<OptionValue> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    Some(OptionValue::Text(object.get("text")?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static SPECS: &[OptionSpec] = &[
        OptionSpec {
            name: "baseline",
            kind: OptionKind::ChoiceOrText(&["pad", "zero"]),
            default: Preset::Name("pad"),
            help: "",
        },
        OptionSpec {
            name: "n_steps",
            kind: OptionKind::Integer { min: 1, max: 9 },
            default: Preset::Integer(5),
            help: "",
        },
    ];

    fn read(given: Value) -> Result<Options> {
        Options::read(SPECS, given.as_object().unwrap())
    }

    #[test]
    fn defaults_are_filled_in() {
        let options = read(json!({"baseline": {"text": "so so"}})).unwrap();
        assert_eq!(options.text("baseline"), Some("so so"));
        assert_eq!(options.integer("n_steps"), Some(5));
        assert!(options.is_given("baseline") && !options.is_given("n_steps"));
    }

    #[test]
    fn options_without_effect_are_removed_or_rejected() {
        let mut options = read(json!({"baseline": "zero"})).unwrap();
        options.rule_out("n_steps", "no steps here").unwrap();
        assert_eq!(options.iter().count(), 1);
        let error = options.rule_out("baseline", "no baseline here").unwrap_err();
        assert_eq!(error.pointer.as_deref(), Some("/baseline"));
    }

    #[test]
    fn numbers_and_auto_are_read() {
        let steps = OptionKind::IntegerOrName { names: &[AUTO], min: 1, max: 9 };
        assert_eq!(steps.read(&json!("auto")), Some(OptionValue::Name(AUTO)));
        assert_eq!(steps.read(&json!(3)), Some(OptionValue::Integer(3)));
        assert_eq!(steps.read(&json!("automatic")), None);
        let tolerance = OptionKind::Number { min: 1e-6, max: 1. };
        assert_eq!(tolerance.read(&json!(1)), Some(OptionValue::Number(1.)));
        assert_eq!(tolerance.read(&json!(0)), None);
        assert_eq!(tolerance.read(&json!("0.1")), None);
    }

    #[test]
    fn invalid_options_are_rejected_with_a_pointer() {
        for (given, pointer) in [
            (json!({"steps": 3}), "/steps"),
            (json!({"n/~": 3}), "/n~1~0"),
            (json!({"n_steps": 0}), "/n_steps"),
            (json!({"n_steps": 10}), "/n_steps"),
            (json!({"n_steps": 2.5}), "/n_steps"),
            (json!({"n_steps": "3"}), "/n_steps"),
            (json!({"baseline": "mask"}), "/baseline"),
            (json!({"baseline": {"text": 1}}), "/baseline"),
            (json!({"baseline": {"text": "a", "b": 1}}), "/baseline"),
        ] {
            let error = read(given.clone()).unwrap_err();
            assert_eq!(error.pointer.as_deref(), Some(pointer), "{given}");
        }
    }
}
