//! `engine.device`: where models compute.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::Placement;

/// Where weights are stored and what computes with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceName {
    /// The first GPU if it works, else the CPU.
    Auto,
    /// This crate's kernels, in f32.
    Cpu,
    /// The GPU with this number. Needs the feature `cuda`.
    Cuda(usize),
    /// What runs on a GPU, in f32 on the CPU, for tests. Needs the feature `candle`.
    Portable,
    /// The same in f64, which other devices are checked against. Needs the feature `candle`.
    Reference,
}

const NAMES: &str = "\"auto\", \"cpu\", \"cuda:N\", \"portable\", \"reference\"";

impl DeviceName {
    /// Returns the placement, and for `auto` why it is not a GPU.
    pub fn placement(self) -> Result<(Placement, Option<String>), String> {
        let placement = match self {
            Self::Auto => {
                return Ok(match Placement::cuda(0) {
                    Ok(placement) => (placement, None),
                    Err(reason) => (Placement::default(), Some(reason)),
                });
            }
            Self::Cpu => Placement::default(),
            Self::Cuda(number) => Placement::cuda(number)?,
            Self::Portable => Placement::portable()?,
            Self::Reference => Placement::reference()?,
        };
        Ok((placement, None))
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Portable => f.write_str("portable"),
            Self::Reference => f.write_str("reference"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match (text, number) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("portable", _) => Ok(Self::Portable),
            ("reference", _) => Ok(Self::Reference),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => Err(format!("must be one of {NAMES}, not {text:?}")),
        }
    }
}

impl Serialize for DeviceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DeviceName {
    fn schema_name() -> Cow<'static, str> {
        "DeviceName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// Checks that this binary and this machine have the device.
pub(super) fn can_compute(device: &DeviceName, _: &()) -> garde::Result {
    device.placement().map(|_| ()).map_err(garde::Error::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        use DeviceName::*;
        for device in [Auto, Cpu, Cuda(0), Cuda(11), Portable, Reference] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for wrong in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            let error = wrong.parse::<DeviceName>().unwrap_err();
            assert!(error.starts_with("must be one of \"auto\""), "{error}");
        }
    }

    #[test]
    fn a_device_that_is_absent_is_an_error_that_says_what_is_missing() {
        let error = DeviceName::Cuda(0).placement().unwrap_err();
        assert!(error.starts_with("cuda:0: this binary was built without CUDA"), "{error}");
        let (placement, reason) = DeviceName::Auto.placement().unwrap();
        assert_eq!(placement.device(), "cpu");
        assert_eq!(reason, Some(error));
    }
}
