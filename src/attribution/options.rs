//! The options of the methods: declared once, read strictly, echoed in full.

use serde_json::{Map, Value};

use crate::error::{Error, Result, pointer_part};

/// An option as its method declares it.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    pub name: &'static str,
    pub kind: OptionKind,
    pub default: Preset,
    pub help: &'static str,
}

/// What an option takes.
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
    /// The same, or `"auto"`.
    IntegerOrAuto {
        min: u64,
        max: u64,
    },
    Number {
        min: f64,
        max: f64,
    },
}

/// The name that leaves a number to the method.
pub const AUTO: &str = "auto";

/// A default as it can stand in a table.
#[derive(Debug, Clone, Copy)]
pub enum Preset {
    Name(&'static str),
    Integer(u64),
    Number(f64),
}

/// An option's value in force.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    Name(&'static str),
    Text(String),
    Integer(u64),
    Number(f64),
}

/// The options of one method in force, defaults filled in, in the order
/// declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    values: Vec<(&'static str, OptionValue)>,
    /// Those that the caller named.
    given: Vec<&'static str>,
}

impl Options {
    /// Reads what a caller gave against what the method declares. Pointers of
    /// errors are relative to `given`.
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
                        let detail = format!("{} must be {}", spec.name, spec.kind.expects());
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

    /// Whether they make the method do the same.
    pub fn same(&self, other: &Self) -> bool {
        self.values == other.values
    }

    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, OptionValue)> {
        self.values.iter()
    }

    /// Whether the method has it, and no other option rules it out.
    pub fn has(&self, option: &str) -> bool {
        self.values.iter().any(|(name, _)| *name == option)
    }

    /// Whether the caller named it.
    pub fn is_given(&self, option: &str) -> bool {
        self.given.contains(&option)
    }

    /// Takes out an option that another one makes meaningless; refuses it where
    /// the caller named it.
    pub fn rule_out(&mut self, option: &'static str, reason: &str) -> Result<()> {
        if self.is_given(option) {
            return Err(Error::field(format!("/{option}"), reason));
        }
        self.values.retain(|(name, _)| *name != option);
        Ok(())
    }

    /// Sets an option to another value.
    pub fn set(&mut self, option: &str, value: OptionValue) {
        if let Some(entry) = self.values.iter_mut().find(|(name, _)| *name == option) {
            entry.1 = value;
        }
    }

    /// The value of an option that the method declares.
    fn value(&self, name: &str) -> &OptionValue {
        let found = self.values.iter().find(|(option, _)| *option == name);
        &found.expect("a method asks only for options that it declares").1
    }

    /// The name in an option that takes names; empty for a text.
    pub fn name(&self, option: &str) -> &'static str {
        match self.value(option) {
            OptionValue::Name(name) => name,
            _ => "",
        }
    }

    /// The text in an option that takes one, if it holds one.
    pub fn text(&self, option: &str) -> Option<&str> {
        match self.value(option) {
            OptionValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number in an option that takes integers; none where it is `"auto"`.
    pub fn integer(&self, option: &str) -> Option<usize> {
        match self.value(option) {
            OptionValue::Integer(value) => Some(*value as usize),
            _ => None,
        }
    }

    /// The number in an option that takes numbers.
    pub fn number(&self, option: &str) -> f64 {
        match self.value(option) {
            OptionValue::Number(value) => *value,
            _ => 0.,
        }
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
            Self::IntegerOrAuto { min, max } => {
                choice(&[AUTO], value).or_else(|| Self::Integer { min, max }.read(value))
            }
            Self::Number { min, max } => value
                .as_f64()
                .filter(|number| (min..=max).contains(number))
                .map(OptionValue::Number),
        }
    }

    /// What it takes, for an error message.
    pub fn expects(self) -> String {
        match self {
            Self::Choice(names) => format!("one of {}", names.join(", ")),
            Self::ChoiceOrText(names) => {
                format!("one of {}, or {{\"text\": \"…\"}}", names.join(", "))
            }
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::IntegerOrAuto { min, max } => {
                format!("\"{AUTO}\" or an integer from {min} to {max}")
            }
            Self::Number { min, max } => format!("a number from {min} to {max}"),
        }
    }
}

impl Preset {
    pub fn value(self) -> OptionValue {
        match self {
            Self::Name(name) => OptionValue::Name(name),
            Self::Integer(value) => OptionValue::Integer(value),
            Self::Number(value) => OptionValue::Number(value),
        }
    }
}

fn choice(names: &'static [&'static str], value: &Value) -> Option<OptionValue> {
    let given = value.as_str()?;
    names.iter().find(|name| **name == given).map(|name| OptionValue::Name(name))
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
    fn an_option_without_meaning_is_left_out_or_refused() {
        let mut options = read(json!({"baseline": "zero"})).unwrap();
        options.rule_out("n_steps", "no steps here").unwrap();
        assert_eq!(options.iter().count(), 1);
        let error = options.rule_out("baseline", "no baseline here").unwrap_err();
        assert_eq!(error.pointer.as_deref(), Some("/baseline"));
    }

    #[test]
    fn numbers_and_auto_are_read() {
        let steps = OptionKind::IntegerOrAuto { min: 1, max: 9 };
        assert_eq!(steps.read(&json!("auto")), Some(OptionValue::Name(AUTO)));
        assert_eq!(steps.read(&json!(3)), Some(OptionValue::Integer(3)));
        assert_eq!(steps.read(&json!("automatic")), None);
        let tolerance = OptionKind::Number { min: 1e-6, max: 1. };
        assert_eq!(tolerance.read(&json!(1)), Some(OptionValue::Number(1.)));
        assert_eq!(tolerance.read(&json!(0)), None);
        assert_eq!(tolerance.read(&json!("0.1")), None);
    }

    #[test]
    fn what_is_not_declared_is_refused_with_its_place() {
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
