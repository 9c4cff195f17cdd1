//! `explaind explain`: explains one text in the terminal.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ColorChoice};
use serde_json::{Value, json};

use super::asked::{self, Asked};
use super::given;
use super::shared::{FILTER, Failure, model_entry, runtime, without_client};
use crate::app;
use crate::checkpoint::Source;
use crate::config::{Config, Log};
use crate::error::{Code, Error};
use crate::explanation::Answer;
use crate::http;
use crate::http::problem::Problem;
use crate::render::terminal;
use crate::render::{json, page};
use crate::telemetry;

#[derive(Args)]
pub struct Explain {
    /// The model as [ID=]SOURCE, where SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] on the Hugging Face hub. By default, the built-in model for the
    /// text's script.
    #[arg(long)]
    model: Option<String>,
    #[command(flatten)]
    asked: Asked,
    /// Print the response of POST /explain.
    #[arg(long)]
    json: bool,
    /// Write the heat maps to this file as an HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// When to use colour. By default if the terminal supports it and NO_COLOR is unset.
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,
    /// The second text of a pair: a hypothesis, the text that contains the answer, or a text to
    /// compare with.
    #[arg(long, value_name = "TEXT")]
    pair: Option<String>,
    /// The text to explain. Read from standard input if it is - or missing in a pipe.
    text: Option<String>,
}

pub fn explain(flags: Explain) -> Result<(), Failure> {
    let answer = answer(&flags)?;
    if let Some(error) = answer.results.iter().find_map(|(_, result)| result.as_ref().err()) {
        return Err(by_flag(error.clone()).into());
    }
    if let Some(file) = &flags.html {
        given::write_page(file, &page::render(&answer, ToString::to_string))?;
    }
    // Colours are decided here. anstream would strip those that --color forces.
    let mut out = io::stdout();
    if flags.json {
        let answer = json::explain(answer, |error| Problem::new(error, None));
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    } else {
        write!(out, "{}", terminal::render(&answer, given::colours(flags.color)))?;
    }
    Ok(())
}

/// Answers the question that the command line describes.
fn answer(flags: &Explain) -> Result<Answer, Failure> {
    let text = given::text("explain", flags.text.as_deref())?;
    let model = match &flags.model {
        Some(model) => model_entry(model)?,
        None => model_entry(&Source::for_text(&text).to_string())?,
    };
    let mut config = Config { models: vec![model], ..Config::default() };
    without_client(&mut config);
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: FILTER.to_owned(), ..Log::default() })?;
    let mut body = flags.asked.fields(&["inputs", "model"])?;
    body.insert("inputs".to_owned(), json!({ "text": text, "text_pair": flags.pair }));
    let body = Value::Object(body).to_string();
    runtime()?.block_on(async {
        let explainer = app::explainer(&config)?;
        app::load(&explainer, &config.models).await?;
        let question = http::question(&explainer, body.as_bytes()).map_err(by_flag)?;
        Ok(explainer.explain(question).await.map_err(by_flag)?)
    })
}

/// Rewrites an error of the request to name the flag that caused it.
fn by_flag(error: Error) -> Error {
    let mut flags = asked::FLAGS.to_vec();
    flags.extend([("/inputs/text_pair", "--pair"), ("/inputs", "the text"), ("/", "--options")]);
    let pointer = error.pointer.as_deref().unwrap_or_default();
    let Some((_, flag)) = flags.iter().find(|(start, _)| pointer.starts_with(start)) else {
        return error;
    };
    let detail = match error.code {
        Code::InputTooLong => {
            let (what, _) = error.detail.split_once(". ").unwrap_or((&error.detail, ""));
            let (_, what) = what.split_once(" has ").unwrap_or(("", what));
            format!("{flag} has {what}; --window 16 reads it in parts")
        }
        Code::InputEmpty => format!("{flag} is empty"),
        _ => return given::by_flag(error, &flags),
    };
    Error { detail, pointer: None, ..error }
}
