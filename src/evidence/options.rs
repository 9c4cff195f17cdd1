//! The options of each kind of evidence: GET /methods lists them, and requests are validated by
//! the same declarations.

use super::Entry;
use crate::attribution::OptionKind;
use crate::attribution::options::Preset;
use crate::error::{Error, Result};

/// The declaration of an option.
#[derive(Debug)]
pub struct OptionSpec {
    pub name: &'static str,
    pub takes: Takes,
    /// `None` if there is none, or if it depends on the model or the input; see `help`.
    pub default: Option<Preset>,
    pub help: &'static str,
}

/// The values that an option accepts.
#[derive(Debug)]
pub enum Takes {
    Kind(OptionKind),
    /// A list, a name of something that the service has, or a number with a configured limit.
    Described(&'static str),
}

impl Takes {
    pub const fn integer(min: u64, max: u64) -> Self {
        Self::Kind(OptionKind::Integer { min, max })
    }

    /// Describes the accepted values.
    pub fn expects(&self) -> String {
        match self {
            Self::Kind(kind) => kind.expects(),
            Self::Described(text) => (*text).to_owned(),
        }
    }
}

impl Entry {
    /// Returns the value of an integer option, or its default; `None` without either.
    ///
    /// # Errors
    /// `invalid_field` at the option if the value is out of range.
    pub fn integer(&self, name: &str, given: Option<usize>) -> Result<Option<usize>> {
        let value = given.map(|value| value as u64);
        let value = value.or_else(|| match self.option(name)?.default? {
            Preset::Integer(value) => Some(value),
            Preset::Name(_) | Preset::Number(_) | Preset::Boolean(_) => None,
        });
        self.check(name, value.map(|value| value as f64))?;
        Ok(value.map(|value| value as usize))
    }

    /// The same for an option with a default.
    ///
    /// # Errors
    /// See [`Self::integer`].
    pub fn count(&self, name: &str, given: Option<usize>) -> Result<usize> {
        self.integer(name, given)?.ok_or_else(|| no_default(name))
    }

    /// Returns the value of a number option, or its default.
    ///
    /// # Errors
    /// `invalid_field` at the option if the value is out of range.
    pub fn number(&self, name: &str, given: Option<f64>) -> Result<f64> {
        let value = given.or_else(|| match self.option(name)?.default? {
            Preset::Number(value) => Some(value),
            Preset::Name(_) | Preset::Integer(_) | Preset::Boolean(_) => None,
        });
        self.check(name, value)?;
        value.ok_or_else(|| no_default(name))
    }

    fn option(&self, name: &str) -> Option<&'static OptionSpec> {
        self.options.iter().find(|option| option.name == name)
    }

    fn check(&self, name: &str, value: Option<f64>) -> Result<()> {
        let (Some(spec), Some(value)) = (self.option(name), value) else { return Ok(()) };
        let within = match spec.takes {
            Takes::Kind(OptionKind::Integer { min, max }) => {
                (min as f64..=max as f64).contains(&value)
            }
            Takes::Kind(OptionKind::Number { min, max }) => (min..=max).contains(&value),
            Takes::Kind(_) | Takes::Described(_) => true,
        };
        match within {
            true => Ok(()),
            false => {
                let detail = format!("{name} must be {}, not {value}", spec.takes.expects());
                Err(Error::field(format!("/{name}"), detail))
            }
        }
    }
}

fn no_default(name: &str) -> Error {
    Error::internal(format!("the option {name} has no default"))
}
