//! The command line: one file per command.

mod asked;
mod batch;
mod configuration;
mod corpus;
mod evaluate;
mod evidence;
mod examples;
mod explain;
mod given;
mod heads;
mod healthcheck;
mod list;
mod numbers;
mod plan;
mod probe;
mod serve;
mod shared;
mod words;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use batch::{Batch, LinesFailed, batch};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use configuration::{check_config, hash_key, settings};
use evaluate::{Evaluate, evaluate};
use evidence::{Counterfactuals, Rules, counterfactuals, rules};
use examples::{Examples, examples};
use explain::{Explain, explain};
use heads::{Heads, heads};
use healthcheck::{Healthcheck, healthcheck};
use plan::{Plan, plan};
use probe::{Probes, probes};
use serve::{Serve, serve};
use shared::Failure;
use words::{Words, words};

use crate::http;

/// Explains what a BERT-family model did with a text.
///
/// Exit status: 0 for success, 1 for a failure that standard error explains, 2 for an invalid
/// command line, 3 if `batch` is complete but some of its lines have an error.
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
    /// Explain every row of a file.
    Batch(Batch),
    /// Find the words that keep the prediction for one text, or a decision tree around it.
    Rules(Rules),
    /// Find the samples of a corpus that are most like a text.
    Examples(Examples),
    /// Find the fewest words that flip the prediction for one text.
    Counterfactuals(Counterfactuals),
    /// Report what changes the predictions over a corpus although it should not.
    Probe(Probes),
    /// Report which words drive each class over a corpus.
    Words(Words),
    /// Report which attention heads matter over a corpus, and what changes without them.
    Heads(Heads),
    /// Measure methods over a data set and report which one to trust.
    Evaluate(Evaluate),
    /// Measure the requests of a load, and simulate how many replicas answer it in time.
    Plan(Plan),
    /// Report every error of the configuration.
    CheckConfig {
        /// A TOML file that overrides the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print every setting as Markdown: type, default, environment variable, meaning.
    Settings,
    /// Print the digest of a key read from standard input, for server.keys.
    HashKey,
    /// Print openapi.yaml.
    Openapi,
    /// List the methods with their options.
    Methods,
    /// List the configured models.
    Models {
        /// A TOML file that overrides the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print shell completions.
    Completions {
        shell: Shell,
    },
    Healthcheck(Healthcheck),
}

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(flags) => serve(flags),
        Command::Explain(flags) => explain(flags),
        Command::Batch(flags) => batch(&flags),
        Command::Rules(flags) => rules(flags),
        Command::Examples(flags) => examples(&flags),
        Command::Counterfactuals(flags) => counterfactuals(flags),
        Command::Probe(flags) => probes(&flags),
        Command::Words(flags) => words(&flags),
        Command::Heads(flags) => heads(&flags),
        Command::Evaluate(flags) => evaluate(&flags),
        Command::Plan(flags) => plan(&flags),
        Command::CheckConfig { config } => check_config(config),
        Command::Settings => settings(),
        Command::HashKey => hash_key(),
        Command::Openapi => openapi(),
        Command::Methods => list::methods(),
        Command::Models { config } => list::models(config),
        Command::Completions { shell } => completions(shell),
        Command::Healthcheck(flags) => healthcheck(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the pipe, as `head` does.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let red = anstyle::AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{red}error:{red:#} {error}");
            if error.is::<LinesFailed>() { LinesFailed::STATUS.into() } else { ExitCode::FAILURE }
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
