//! The command line.

mod commands;

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, Parser, Subcommand};
use commands::evaluate::{Evaluate, evaluate};
use commands::healthcheck::{Healthcheck, healthcheck};
use explaind::app::{self, Signals};
use explaind::checkpoint::Source;
use explaind::config::{AdminKey, Config, Log, ModelEntry, keys};
use explaind::explanation::Answer;
use explaind::http::problem::Problem;
use explaind::render::terminal::{self, Colours};
use explaind::render::{json, page};
use explaind::{http, telemetry};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Explains what a BERT-family model did with a text.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Start the service (the default).
    Serve(Serve),
    /// Explain one text in the terminal.
    Explain(Explain),
    /// Measure methods over a data set and report which one to trust.
    Evaluate(Evaluate),
    /// Report every error of the configuration.
    CheckConfig {
        /// A TOML file over the defaults.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Print the digest of a key that is read from standard input, for server.keys.
    HashKey,
    /// Print openapi.yaml.
    Openapi,
    Healthcheck(Healthcheck),
}

#[derive(Args)]
struct Serve {
    /// A TOML file over the defaults.
    #[arg(long)]
    config: Option<PathBuf>,
    /// ADDR:PORT; port 0 takes a free one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// A model to serve, [ID=]SOURCE, instead of the configured ones; may be
    /// repeated. SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] of the Hugging Face hub.
    #[arg(long)]
    model: Vec<String>,
}

#[derive(Args)]
struct Explain {
    /// The model, [ID=]SOURCE; SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] of the Hugging Face hub. The built-in one of the
    /// text's script by default.
    #[arg(long)]
    model: Option<String>,
    /// A method of GET /methods; may be repeated.
    #[arg(long)]
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
    /// The text to explain.
    text: String,
}

/// Gives memory back, whichever thread took it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

/// What is logged of one explanation: what is wrong, and downloads. That the
/// model could not be loaded is said as the command's own error.
const QUIETLY: &str = "warn,explaind::engine::loading=off,explaind::checkpoint::hub=info";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(flags) => serve(flags),
        Command::Explain(flags) => explain(flags),
        Command::Evaluate(flags) => evaluate(&flags),
        Command::CheckConfig { config } => check_config(config),
        Command::HashKey => hash_key(),
        Command::Openapi => openapi(),
        Command::Healthcheck(flags) => healthcheck(&flags),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let red = anstyle::AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{red}error:{red:#} {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn serve(flags: Serve) -> Result<(), Failure> {
    let mut config = flags.config()?;
    let _logging = telemetry::start_logging(&config.log)?;
    if !config.server.listen.ip().is_loopback() && !config.server.needs_key() {
        tracing::warn!(
            "listening on {} without keys: whoever reaches it may use it",
            config.server.listen
        );
    }
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let address = config.server.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        if config.server.admin_key.is_none() {
            config.server.admin_key = Some(new_admin_key());
        }
        let signals = Signals { stop: stop_signal()?, reload: reload_signal(flags)? };
        Ok(app::run(config, listener, announce, signals).await?)
    });
    // A model that is still being downloaded must not hold up the end.
    runtime.shutdown_background();
    done
}

/// A key for this run, shown to whoever started it: on standard error and not by the
/// log, which others may read.
fn new_admin_key() -> AdminKey {
    let (key, text) = AdminKey::generate();
    // Where nobody listens, nobody has the key.
    let _ = writeln!(io::stderr(), "admin key until the service ends: {text}");
    key
}

impl Serve {
    /// The configuration, with what the flags change.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::read(self.config.as_deref())?;
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        if !self.model.is_empty() {
            config.models =
                self.model.iter().map(|text| model_entry(text)).collect::<Result<_, _>>()?;
            config.check()?;
        }
        Ok(config)
    }
}

/// The line that scripts wait for. A closed standard output is no reason to end.
fn announce(address: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
}

/// The configuration as it is at each SIGHUP, where it is good.
fn reload_signal(flags: Serve) -> io::Result<mpsc::Receiver<Config>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // A boxed error cannot wait with a thread.
            let config = flags.config().map_err(|error| error.to_string());
            match config {
                Ok(config) => {
                    if send.send(config).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::error!(error, "the new configuration is not taken"),
            }
        }
    });
    Ok(receive)
}

/// Completes at the first SIGTERM or SIGINT; the second ends the process.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
    })
}

/// `[ID=]SOURCE`
fn model_entry(text: &str) -> Result<ModelEntry, Failure> {
    let (id, source) = match text.split_once('=') {
        Some((id, source)) => (Some(id.to_owned()), source),
        None => (None, text),
    };
    let parsed: Source = source.parse()?;
    let id = id.unwrap_or_else(|| parsed.default_id());
    Ok(ModelEntry { id, source: source.to_owned(), activation: None })
}

fn explain(flags: Explain) -> Result<(), Failure> {
    let answer = answer(&flags)?;
    if let Some(error) = answer.results.iter().find_map(|(_, result)| result.as_ref().err()) {
        return Err(error.clone().into());
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

/// The answer to the question of a command line.
fn answer(flags: &Explain) -> Result<Answer, Failure> {
    let model = match &flags.model {
        Some(model) => model_entry(model)?,
        None => model_entry(&Source::for_text(&flags.text).to_string())?,
    };
    let config = Config { models: vec![model], ..Config::default() };
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: QUIETLY.to_owned(), ..Log::default() })?;
    let mut body = json!({ "inputs": { "text": flags.text, "text_pair": flags.pair } });
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
        let question = http::question(&explainer, body.to_string().as_bytes())?;
        Ok(explainer.explain(question).await?)
    })
}

fn colours(wish: ColorChoice) -> Colours {
    let variable = |name: &str| env::var(name).ok();
    match wish {
        ColorChoice::Never => Colours::None,
        ColorChoice::Always => Colours::most(variable),
        ColorChoice::Auto => Colours::fitting(variable, io::stdout().is_terminal()),
    }
}

fn check_config(file: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::read(file.as_deref())?;
    println!("the configuration is good: {} models", config.models.len());
    Ok(())
}

fn hash_key() -> Result<(), Failure> {
    let mut key = String::new();
    io::stdin().read_line(&mut key)?;
    let key = key.trim();
    if key.len() < 16 {
        return Err("a key has 16 characters or more; shorter ones can be guessed".into());
    }
    println!("{}", keys::digest(key));
    Ok(())
}

fn openapi() -> Result<(), Failure> {
    print!("{}", http::openapi::yaml()?);
    Ok(())
}
