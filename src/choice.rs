//! Enums whose variants have names in requests, such as `eraser`. The names are written once, next
//! to the variants; parsers, schemas and error messages use the same list.

use crate::rows::{Output, StatePooling};

/// An enum with named variants, defined by `choices!`.
pub trait Choice: Copy + PartialEq + 'static {
    /// The names, in the order of [`Choice::ALL`].
    const NAMES: &'static [&'static str];
    const ALL: &'static [Self];

    /// Returns the variant with this name.
    fn named(name: &str) -> Option<Self> {
        let names = Self::NAMES.iter().zip(Self::ALL);
        names.into_iter().find(|(known, _)| **known == name).map(|(_, choice)| *choice)
    }

    fn name(self) -> &'static str {
        let names = Self::NAMES.iter().zip(Self::ALL);
        names.into_iter().find(|(_, choice)| **choice == self).map_or("", |(name, _)| name)
    }
}

impl Choice for Output {
    const NAMES: &'static [&'static str] = &["logit", "probability"];
    const ALL: &'static [Self] = &[Self::Logit, Self::Probability];
}

impl Choice for StatePooling {
    const NAMES: &'static [&'static str] = &["mean", "first"];
    const ALL: &'static [Self] = &[Self::Mean, Self::First];
}

/// Defines an enum and implements [`Choice`] for it: `Variant = "name"`.
macro_rules! choices {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$doc])* $variant),+ }

        impl $crate::choice::Choice for $name {
            const NAMES: &'static [&'static str] = &[$($text),+];
            const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
}
pub(crate) use choices;

#[cfg(test)]
mod tests {
    use super::*;

    choices! {
        enum Side { Left = "left", Right = "right" }
    }

    #[test]
    fn names_and_variants_match() {
        assert_eq!(Side::named("right"), Some(Side::Right));
        assert_eq!(Side::named("Right"), None);
        assert_eq!(Side::Left.name(), "left");
        assert_eq!(Side::NAMES, ["left", "right"]);
    }
}
