//! The configuration: defaults, config/default.toml, a file, the environment,
//! flags; later ones win. Every error is reported, with its path.

mod admin_key;
mod backend;
mod environment;
pub mod keys;
mod limits;
mod model;
mod server;
mod sources;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use figment::Figment;
use figment::error::{Error as FigmentError, Kind};
use figment::providers::{Format, Serialized, Toml};
use figment::value::Value;
use garde::Validate;
use serde::{Deserialize, Serialize};

pub use admin_key::AdminKey;
pub use backend::BackendName;
pub use keys::NamedKey;
pub use limits::Limits;
use model::unique_ids;
pub use model::{AUTO, ActivationName, ModelEntry, check_id, check_source};
pub use server::{Server, Tls};
pub use sources::Sources;

/// Read where the service is started, if it is there.
const DEFAULT_FILE: &str = "config/default.toml";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    #[garde(dive)]
    pub server: Server,
    #[garde(dive)]
    pub limits: Limits,
    #[garde(dive)]
    pub engine: Engine,
    #[garde(dive)]
    pub cache: Cache,
    #[garde(dive)]
    pub sources: Sources,
    #[garde(dive)]
    pub log: Log,
    /// The first one answers requests that name none.
    #[garde(length(min = 1, max = 64), dive, custom(unique_ids))]
    pub models: Vec<ModelEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// What computes.
    #[garde(custom(backend::can_compute))]
    pub backend: BackendName,
    /// Passes that run at a time, each on a thread; 0 is one for each core that
    /// this process may use, or fewer where there is little memory.
    #[garde(range(max = 1024))]
    pub threads: usize,
    /// Tokens that one pass runs together.
    #[garde(range(min = 1, max = 1 << 20))]
    pub batch_tokens: usize,
    /// Mebibytes that one pass keeps until its gradients are done; a row that
    /// needs more runs alone. 0 is 256, or less where there is little memory.
    #[garde(range(max = 1 << 20))]
    pub pass_mebibytes: usize,
    /// Tokens x rows x layers of all requests in flight; more are told to come back. 0
    /// is 6 million, or less where there is little memory.
    #[garde(range(max = u32::MAX as usize))]
    pub queued_work: usize,
    /// How often the files of models are looked at for changes; 0 is never.
    #[garde(range(max = 86_400_000))]
    pub watch_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Mebibytes for answers that are kept for those who ask the same again; 0
    /// keeps none.
    #[garde(range(max = 1 << 20))]
    pub mebibytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    #[garde(skip)]
    pub format: LogFormat,
    /// In tracing's syntax: `info`, `explaind=debug`.
    #[garde(custom(log_filter))]
    pub filter: String,
    /// Of a collector that traces are sent to by OTLP over HTTP. The variable
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` names one as well.
    #[garde(inner(custom(collector)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        let models = crate::checkpoint::source::BUILTINS
            .iter()
            .map(|builtin| ModelEntry {
                id: builtin.name.to_owned(),
                source: format!("builtin:{}", builtin.name),
                activation: None,
            })
            .collect();
        Self {
            server: Server::default(),
            limits: Limits::default(),
            engine: Engine::default(),
            cache: Cache::default(),
            sources: Sources::default(),
            log: Log::default(),
            models,
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            backend: BackendName::Cpu,
            threads: 0,
            batch_tokens: 256,
            pass_mebibytes: 0,
            queued_work: 0,
            watch_ms: 10_000,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned(), otlp: None }
    }
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// A key of a file that is not of this program: one that is unknown, where none is there
/// that others seldom have. Elsewhere an unknown one is a mistake, and an error.
fn foreign(file: &Figment) -> Option<String> {
    const OWN: [&str; 4] = ["engine", "limits", "models", "sources"];
    const SHARED: [&str; 3] = ["cache", "log", "server"];
    let keys = file.extract::<BTreeMap<String, Value>>().ok()?.into_keys();
    let keys: Vec<String> = keys.collect();
    match keys.iter().any(|key| OWN.contains(&key.as_str())) {
        true => None,
        false => keys.into_iter().find(|key| !SHARED.contains(&key.as_str())),
    }
}

impl Config {
    /// Reads all layers but the flags.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigErrors> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        if Path::new(DEFAULT_FILE).is_file() {
            match foreign(&Figment::from(Toml::file_exact(DEFAULT_FILE))) {
                Some(key) => {
                    let note = format!(
                        "{DEFAULT_FILE} has {key:?} and is another program's: it is not read"
                    );
                    // Nothing is logged before the configuration is known.
                    let _ = writeln!(io::stderr(), "{note}");
                }
                None => layers = layers.merge(Toml::file_exact(DEFAULT_FILE)),
            }
        }
        layers = environment::with_port(layers, std::env::var(environment::PORT).ok())?;
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigErrors(vec![format!("{}: no such file", file.display())]));
            }
            layers = layers.merge(Toml::file_exact(file));
        }
        Self::from_layers(environment::over(layers))
    }

    fn from_layers(layers: Figment) -> Result<Self, ConfigErrors> {
        let tree = layers
            .extract::<Value>()
            .map_err(|error| ConfigErrors(error.into_iter().map(|e| e.to_string()).collect()))?;
        let (config, mut errors) = extract(&layers, tree);
        errors.extend(config.iter().flat_map(Self::errors));
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Checks what flags have changed.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        match self.errors() {
            errors if errors.is_empty() => Ok(()),
            errors => Err(ConfigErrors(errors)),
        }
    }

    /// What is wrong with values that could be read.
    fn errors(&self) -> Vec<String> {
        let line = |path: &dyn fmt::Display, error: &dyn fmt::Display| format!("{path}: {error}");
        let report = self.validate().err();
        let single = report.iter().flat_map(|report| report.iter());
        let mut errors: Vec<String> = single.map(|(path, error)| line(path, error)).collect();
        for (number, entry) in self.models.iter().enumerate() {
            let source = entry.source.parse();
            if let Some(Err(error)) = source.ok().map(|source| self.sources.check(&source)) {
                errors.push(line(&format!("models[{number}].source"), &error));
            }
        }
        errors
    }
}

/// The configuration and everything that could not be read: deserialising stops
/// at the first error, so each is noted, its value taken out, and the rest
/// tried again.
fn extract(layers: &Figment, mut tree: Value) -> (Option<Config>, Vec<String>) {
    let mut errors = Vec::new();
    loop {
        let error = match tree.deserialize::<Config>() {
            Ok(config) => return (Some(config), errors),
            Err(error) => error,
        };
        let path = path_of(&error);
        let place = path.join(".");
        let source = layers.find_metadata(&place).map_or_else(String::new, |metadata| {
            let source = metadata.source.as_ref().map(ToString::to_string);
            format!(" (from {})", source.unwrap_or_else(|| metadata.name.to_string()))
        });
        errors.push(format!("{place}: {}{source}", error.kind));
        if !remove(&mut tree, &path) {
            return (None, errors);
        }
    }
}

fn path_of(error: &FigmentError) -> Vec<String> {
    let mut path = error.path.clone();
    if let Kind::UnknownField(name, _) = &error.kind
        && path.last() != Some(name)
    {
        path.push(name.clone());
    }
    path
}

fn remove(tree: &mut Value, path: &[String]) -> bool {
    let (Some(name), Value::Dict(_, dict)) = (path.first(), tree) else { return false };
    let deeper =
        path.len() > 1 && dict.get_mut(name).is_some_and(|inner| remove(inner, &path[1..]));
    deeper || dict.remove(name).is_some()
}

fn collector(url: &str, _: &()) -> garde::Result {
    match (url.starts_with("http://") || url.starts_with("https://"), cfg!(feature = "otlp")) {
        (true, true) => Ok(()),
        (false, _) => Err(garde::Error::new("is a URL such as http://127.0.0.1:4318")),
        (_, false) => Err(garde::Error::new("this build sends no traces (feature otlp)")),
    }
}

fn log_filter(filter: &str, _: &()) -> garde::Result {
    let parsed = tracing_subscriber::EnvFilter::try_new(filter);
    parsed.map(|_| ()).map_err(|error| garde::Error::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigErrors> {
        let defaults = Figment::from(Serialized::defaults(Config::default()));
        Config::from_layers(defaults.merge(Toml::string(text)))
    }

    #[test]
    fn the_shipped_file_spells_out_the_defaults() {
        let file = include_str!("../config/default.toml");
        assert_eq!(read(file).unwrap(), Config::default());
    }

    #[test]
    fn every_error_is_reported_with_its_path() {
        let text = r#"
            colour = "red"
            [server]
            listen = "nowhere"
            prot = 1
            [limits]
            inputs = 0
            body_bytes = "big"
            response_mebibytes_total = 1
            [log]
            filter = "a=b=c"
            [[models]]
            id = "a b"
            source = "builtin:nothing"
        "#;
        let errors = read(text).unwrap_err().0;
        for path in [
            "colour",
            "server.listen",
            "server.prot",
            "limits.inputs",
            "limits.body_bytes",
            "limits.response_mebibytes_total",
            "log.filter",
            "models[0].id",
            "models[0].source",
        ] {
            let start = format!("{path}:");
            assert!(errors.iter().any(|error| error.starts_with(&start)), "{path} in {errors:#?}");
        }
        assert_eq!(errors.len(), 9, "{errors:#?}");
    }

    #[test]
    fn a_file_of_another_program_is_told_from_one_with_a_mistake() {
        let foreign = |text: &str| foreign(&Figment::from(Toml::string(text)));
        assert_eq!(foreign("[server]\nport = 1\n[database]\n").as_deref(), Some("database"));
        assert_eq!(foreign("debug = true").as_deref(), Some("debug"));
        for own in ["", "[server]\nprot = 1", "[limits]\n[databse]", "[[models]]\n[x]", "a = "] {
            assert_eq!(foreign(own), None, "{own}");
        }
    }

    #[test]
    fn two_models_of_one_id_are_refused() {
        let entry = "[[models]]\nid = \"a\"\nsource = \"builtin:sentiment-en\"\n";
        let errors = read(&entry.repeat(2)).unwrap_err().0;
        assert!(errors[0].contains("twice"), "{errors:?}");
    }
}
