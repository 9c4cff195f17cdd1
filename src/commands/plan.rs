//! `explaind plan`: how many replicas a load needs.

use std::io::{self, Write};

use clap::Args;
use serde_json::json;

use super::shared::{FILTER, Failure, model_entry, runtime, without_client};
use super::{given, numbers};
use crate::app;
use crate::backend::cpu::Isa;
use crate::capacity::{self, Balancer, Load, Measured, Simulated};
use crate::config::{Config, Limits, Log};
use crate::explanation::Question;
use crate::http;
use crate::telemetry;

#[derive(Args)]
pub struct Plan {
    /// Requests per second, with one text each.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: f64,
    /// Tokens of a text, with the special ones.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = numbers::within::<4, 8_192>)]
    tokens: usize,
    /// Methods that `explaind methods` lists, separated by commas. None for predictions.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B,C",
        default_value = "integrated_gradients"
    )]
    methods: Vec<String>,
    /// The model as [ID=]SOURCE.
    #[arg(long, default_value = "builtin:sentiment-en")]
    model: String,
    /// Maximum 99th percentile of the time from arrival to answer.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = numbers::within::<1, 600_000>)]
    p99: usize,
    /// How requests are assigned to replicas.
    #[arg(long, value_enum, default_value = "random")]
    balancer: Balancer,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or("it must be a number from 0.001 to 1000000")
}

pub fn plan(flags: &Plan) -> Result<(), Failure> {
    let mut config = Config { models: vec![model_entry(&flags.model)?], ..Config::default() };
    without_client(&mut config);
    config.check()?;
    let _logging = telemetry::start_logging(&Log { filter: FILTER.to_owned(), ..Log::default() })?;
    let (question, measured) = runtime()?.block_on(measure(flags, &config))?;
    let limit = Limits::default().request_time().as_secs_f64();
    let load = Load {
        rate: flags.rate,
        alone: &measured.alone,
        work: 1. / measured.throughput,
        limit,
        balancer: flags.balancer,
        seed: 0,
    };
    let tried = capacity::replicas_for(&load, flags.p99 as f64 / 1e3);
    let mut out = io::stdout();
    match flags.json {
        true => writeln!(out, "{}", as_json(flags, &question, &measured, &tried))?,
        false => write!(out, "{}", as_text(flags, &question, &measured, &tried))?,
    }
    Ok(())
}

async fn measure(flags: &Plan, config: &Config) -> Result<(Question, Measured), Failure> {
    let explainer = app::explainer(config)?;
    app::load(&explainer, &config.models).await?;
    let methods: Vec<&String> = flags.methods.iter().filter(|name| *name != "none").collect();
    let body = json!({ "inputs": "text", "methods": methods, "attention": false });
    let by_flag =
        |error| given::by_flag(error, &[("/methods", "--methods"), ("/inputs", "--tokens")]);
    let question = http::question(&explainer, body.to_string().as_bytes()).map_err(by_flag)?;
    let most = question.model.text.max_tokens;
    if flags.tokens > most {
        return Err(format!("--tokens: {} reads at most {most}", question.model.id).into());
    }
    let measured = capacity::measure(&explainer, &question, flags.tokens).await.map_err(by_flag)?;
    Ok((question, measured))
}

/// Returns the median of the times alone.
fn median(measured: &Measured) -> f64 {
    let mut alone = measured.alone.clone();
    alone.sort_by(f64::total_cmp);
    alone[alone.len() / 2]
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Returns the last number of replicas that was tried, if it is enough.
fn enough<'a>(flags: &Plan, tried: &'a [Simulated]) -> Option<&'a Simulated> {
    tried.last().filter(|last| last.suffices(flags.p99 as f64 / 1e3))
}

fn as_text(flags: &Plan, question: &Question, measured: &Measured, tried: &[Simulated]) -> String {
    let ms = |seconds: f64| seconds * 1e3;
    let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let methods = flags.methods.join(", ");
    let mut text = format!(
        "{}, {} tokens, methods {methods}, measured on {} cores ({})\n\n\
         one request alone      {:.1} ms (admission expects {:.1} ms, cost {})\n\
         one replica at most    {:.1} requests per second, {:.1} per core\n\
         memory                 {:.0} MiB of weights, {:.2} MiB per row with gradients, {:.0} KiB per answer\n\n\
         {} requests per second, simulated behind a balancer ({}):\n\n\
         replicas   busy   median ms   p99 ms   refused   most at a time\n",
        question.model.id,
        measured.tokens,
        cores(),
        Isa::best().name(),
        ms(median(measured)),
        measured.expected.as_secs_f64() * 1e3,
        measured.cost,
        measured.throughput,
        measured.throughput / cores() as f64,
        mebibytes(question.model.memory_bytes()),
        mebibytes(measured.row_bytes),
        measured.response_bytes as f64 / 1024.,
        flags.rate,
        match flags.balancer {
            Balancer::Random => "random",
            Balancer::LeastRequest => "least request",
        },
    );
    for one in tried {
        text += &format!(
            "{:>8} {:>5.0}% {:>11.1} {:>8.1} {:>8.1}% {:>16}\n",
            one.replicas,
            100. * one.busy,
            ms(one.median),
            ms(one.p99),
            100. * one.refused,
            one.most,
        );
    }
    text + &match enough(flags, tried) {
        Some(last) => format!(
            "\n{} with p99 of at most {} ms. engine.queued_work should be at least {}: {} requests at a time.\n",
            match last.replicas {
                1 => "One replica answers".to_owned(),
                many => format!("{many} replicas answer"),
            },
            flags.p99,
            measured.cost * last.most,
            last.most,
        ),
        None => format!(
            "\nNo number of replicas up to {} answers with p99 of at most {} ms.\n",
            capacity::MAX_REPLICAS,
            flags.p99
        ),
    }
}

fn as_json(
    flags: &Plan,
    question: &Question,
    measured: &Measured,
    tried: &[Simulated],
) -> serde_json::Value {
    let simulated = |one: &Simulated| {
        json!({
            "replicas": one.replicas,
            "busy": one.busy,
            "median_ms": one.median * 1e3,
            "p99_ms": one.p99 * 1e3,
            "refused": one.refused,
            "most_at_a_time": one.most,
        })
    };
    json!({
        "model": question.model.id,
        "tokens": measured.tokens,
        "methods": flags.methods,
        "cores": cores(),
        "instructions": Isa::best().name(),
        "alone_ms": median(measured) * 1e3,
        "expected_ms": measured.expected.as_secs_f64() * 1e3,
        "cost": measured.cost,
        "throughput": measured.throughput,
        "weights_bytes": question.model.memory_bytes(),
        "row_bytes": measured.row_bytes,
        "response_bytes": measured.response_bytes,
        "rate": flags.rate,
        "simulated": tried.iter().map(simulated).collect::<Vec<_>>(),
        "replicas": enough(flags, tried).map(|last| last.replicas),
    })
}
