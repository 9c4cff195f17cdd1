//! Parses the numbers of flags. The standard library's messages are written for programmers.

use std::str::FromStr;

pub fn whole<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "it must be a whole number")
}

pub fn positive<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "it must be a whole number above 0")
}

pub fn decimal(text: &str) -> Result<f64, &'static str> {
    text.parse().map_err(|_| "it must be a number")
}

pub fn within<const MIN: usize, const MAX: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    number.ok_or_else(|| format!("it must be a whole number from {MIN} to {MAX}"))
}
