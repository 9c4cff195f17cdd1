//! Input and output shared by the commands that take one text.

use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::{env, fs};

use clap::ColorChoice;

use super::shared::Failure;
use crate::error::Error;
use crate::evidence::Answer;
use crate::http::problem::Problem;
use crate::render::evidence::{self, Show};
use crate::render::paint::Colours;

/// The most bytes read from standard input. No model takes longer texts.
const MAX_BYTES: u64 = 1 << 20;

/// Returns the text from the command line or standard input.
pub fn text(command: &str, argument: Option<&str>) -> Result<String, Failure> {
    match argument {
        Some("-") => {}
        Some(text) => return Ok(text.to_owned()),
        None if io::stdin().is_terminal() => {
            return Err(format!("no text: run explaind {command} TEXT, or pipe it in").into());
        }
        None => {}
    }
    let mut text = String::new();
    io::stdin().take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Returns the colours for standard output.
pub fn colours(choice: ColorChoice) -> Colours {
    let variable = |name: &str| env::var(name).ok();
    match choice {
        ColorChoice::Never => Colours::None,
        ColorChoice::Always => Colours::most(variable),
        ColorChoice::Auto => Colours::fitting(variable, io::stdout().is_terminal()),
    }
}

/// Rewrites a request error to name the flag that the field was set from. `flags` has the pointers
/// that start with a field, and its flag; the first match counts.
pub fn by_flag(error: Error, flags: &[(&str, &str)]) -> Error {
    let pointer = error.pointer.as_deref().unwrap_or_default();
    let Some((field, flag)) = flags.iter().find(|(field, _)| pointer.starts_with(field)) else {
        return error;
    };
    let named = error.detail.strip_prefix(&field[1..]).filter(|rest| rest.starts_with(' '));
    let detail = match named {
        Some(rest) => format!("{flag}{rest}"),
        None => format!("{flag}: {}", error.detail),
    };
    Error { detail, pointer: None, ..error }
}

/// Writes a page to the file of `--html`.
pub fn write_page(file: &Path, page: &str) -> Result<(), Failure> {
    let fail = |error| format!("--html: cannot write {}: {error}", file.display());
    Ok(fs::write(file, page).map_err(fail)?)
}

/// Where the answer of a command about evidence goes.
pub struct Destination<'a> {
    pub json: bool,
    pub html: Option<&'a Path>,
    pub color: ColorChoice,
}

/// Writes evidence to standard output, and to a page if one is requested.
pub fn write_evidence<F: Show>(
    answer: Answer<F>,
    title: &str,
    to: &Destination<'_>,
) -> Result<(), Failure> {
    if let Some(file) = to.html {
        write_page(file, &evidence::page(&answer, title, ToString::to_string))?;
    }
    let mut out = io::stdout();
    if to.json {
        let answer = evidence::json(answer, |error| Problem::new(error, None));
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    } else {
        write!(out, "{}", evidence::terminal(&answer, colours(to.color)))?;
    }
    Ok(())
}
