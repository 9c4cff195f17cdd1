//! The command line.

mod commands;

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use commands::evaluate::{Evaluate, evaluate};
use commands::explain::{Explain, explain};
use commands::healthcheck::{Healthcheck, healthcheck};
use commands::{list, model_entry};
use explaind::app::{self, Signals};
use explaind::config::{AdminKey, Config, keys};
use explaind::{http, telemetry};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Explains what a BERT-family model did with a text.
///
/// Exit status: 0 where it worked, 1 where it did not and standard error says why, 2 where the
/// command line makes no sense.
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
    /// List the methods with their options.
    Methods,
    /// List the models that the configuration names.
    Models {
        /// A TOML file over the defaults.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Print completions for a shell.
    Completions {
        shell: Shell,
    },
    Healthcheck(Healthcheck),
}

#[derive(Args)]
struct Serve {
    /// A TOML file over the defaults.
    #[arg(long)]
    config: Option<PathBuf>,
    /// ADDR:PORT, such as 127.0.0.1:8080 or localhost:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// A model to serve, [ID=]SOURCE, instead of the configured ones; may be
    /// repeated. SOURCE is builtin:NAME, a directory, or
    /// hf:OWNER/NAME[@REVISION] of the Hugging Face hub.
    #[arg(long)]
    model: Vec<String>,
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
        Command::Methods => list::methods(),
        Command::Models { config } => list::models(config),
        Command::Completions { shell } => completions(shell),
        Command::Healthcheck(flags) => healthcheck(&flags),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has had enough, as `head` does.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let red = anstyle::AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{red}error:{red:#} {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An address, by number or by name.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| "an address is ADDR:PORT, such as 127.0.0.1:8080".to_owned())
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

fn check_config(file: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::read(file.as_deref())?;
    writeln!(io::stdout(), "the configuration is good: {} models", config.models.len())?;
    Ok(())
}

fn hash_key() -> Result<(), Failure> {
    let mut key = String::new();
    io::stdin().read_line(&mut key)?;
    let key = key.trim();
    if key.len() < 16 {
        return Err("a key has 16 characters or more; shorter ones can be guessed".into());
    }
    writeln!(io::stdout(), "{}", keys::digest(key))?;
    Ok(())
}

fn openapi() -> Result<(), Failure> {
    write!(io::stdout(), "{}", http::openapi::yaml()?)?;
    Ok(())
}

fn completions(shell: Shell) -> Result<(), Failure> {
    let mut written = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "explaind", &mut written);
    io::stdout().write_all(&written)?;
    Ok(())
}
