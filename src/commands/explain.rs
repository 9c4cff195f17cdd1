//! `explaind explain`: one text, in the terminal.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::{Args, ColorChoice};
use explaind::checkpoint::Source;
use explaind::config::{Config, Log};
use explaind::error::{Code, Error};
use explaind::explanation::Answer;
use explaind::http::problem::Problem;
use explaind::render::terminal::{self, Colours};
use explaind::render::{json, page};
use explaind::{app, http, telemetry};
use serde_json::json;

use super::model_entry;
use crate::{Failure, QUIETLY, runtime};

/// Bytes of standard input that are read at most; no model reads as much.
const LONGEST: u64 = 1 << 20;

#[derive(Args)]
pub struct Explain {
    /// The model, [ID=]SOURCE; SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] of the Hugging Face hub. The built-in one of the
    /// text's script by default.
    #[arg(long)]
    model: Option<String>,
    /// Methods that `explaind methods` lists, with commas between; may be repeated.
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    method: Vec<String>,
    /// Print the answer of POST /explain.
    #[arg(long)]
    json: bool,
    /// Write the heat maps to this file, as a page for a browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Colour the words; by default where the terminal can and NO_COLOR is unset.
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,
    /// Measure how far each method can be trusted, too.
    #[arg(long)]
    evaluate: bool,
    /// Read a text over the model's limit in parts that have at least so many
    /// tokens in common.
    #[arg(long, value_name = "STRIDE")]
    window: Option<usize>,
    /// The second text of a pair: a hypothesis, the text that holds the answer, a
    /// text to compare with.
    #[arg(long)]
    pair: Option<String>,
    /// The text to explain; - is standard input, as nothing is where something is piped in.
    text: Option<String>,
}

pub fn explain(flags: Explain) -> Result<(), Failure> {
    let answer = answer(&flags)?;
    if let Some(error) = answer.results.iter().find_map(|(_, result)| result.as_ref().err()) {
        return Err(by_flag(error.clone()).into());
    }
    if let Some(file) = &flags.html {
        fs::write(file, page::render(&answer, ToString::to_string))?;
    }
    // What is coloured is decided here: anstream would strip what --color wants.
    let mut out = io::stdout();
    if flags.json {
        let answer = json::explain(answer, |error| Problem::new(error, None));
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    } else {
        write!(out, "{}", terminal::render(&answer, colours(flags.color)))?;
    }
    Ok(())
}

/// The text of the command line, or of standard input.
fn text(flags: &Explain) -> Result<String, Failure> {
    match flags.text.as_deref() {
        Some("-") => {}
        Some(text) => return Ok(text.to_owned()),
        None if io::stdin().is_terminal() => {
            return Err("there is no text: explaind explain TEXT, or pipe one in".into());
        }
        None => {}
    }
    let mut text = String::new();
    io::stdin().take(LONGEST).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The answer to the question of a command line.
fn answer(flags: &Explain) -> Result<Answer, Failure> {
    let text = text(flags)?;
    let model = match &flags.model {
        Some(model) => model_entry(model)?,
        None => model_entry(&Source::for_text(&text).to_string())?,
    };
    let config = Config { models: vec![model], ..Config::default() };
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: QUIETLY.to_owned(), ..Log::default() })?;
    let mut body = json!({ "inputs": { "text": text, "text_pair": flags.pair } });
    if !flags.method.is_empty() {
        body["methods"] = json!(flags.method);
    }
    if flags.evaluate {
        body["evaluate"] = json!("all");
    }
    if let Some(stride) = flags.window {
        body["window"] = json!({ "stride": stride });
        // There is none of several parts, which would be warned of.
        body["attention"] = json!(false);
    }
    runtime()?.block_on(async {
        let explainer = app::explainer(&config)?;
        app::load(&explainer, &config.models).await?;
        let question = http::question(&explainer, body.to_string().as_bytes()).map_err(by_flag)?;
        Ok(explainer.explain(question).await.map_err(by_flag)?)
    })
}

/// An error of the request, said of the flag that it was made from.
fn by_flag(error: Error) -> Error {
    const FLAGS: [(&str, &str); 5] = [
        ("/methods", "--method"),
        ("/window", "--window"),
        ("/evaluate", "--evaluate"),
        ("/inputs/text_pair", "--pair"),
        ("/inputs", "the text"),
    ];
    let pointer = error.pointer.as_deref().unwrap_or_default();
    let Some((_, flag)) = FLAGS.iter().find(|(start, _)| pointer.starts_with(start)) else {
        return error;
    };
    let detail = match error.code {
        Code::InputTooLong => {
            let (what, _) = error.detail.split_once(". ").unwrap_or((&error.detail, ""));
            let (_, what) = what.split_once(" has ").unwrap_or(("", what));
            format!("{flag} has {what}; --window 16 reads it in parts")
        }
        Code::InputEmpty => format!("{flag} is empty"),
        _ => format!("{flag}: {}", error.detail),
    };
    Error { detail, pointer: None, ..error }
}

fn colours(wish: ColorChoice) -> Colours {
    let variable = |name: &str| env::var(name).ok();
    match wish {
        ColorChoice::Never => Colours::None,
        ColorChoice::Always => Colours::most(variable),
        ColorChoice::Auto => Colours::fitting(variable, io::stdout().is_terminal()),
    }
}
