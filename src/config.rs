//! The configuration, from defaults, config/default.toml, a file, the environment and flags.
//! Later sources override earlier ones. All errors are reported, with their paths.

mod admin_key;
mod concepts;
mod corpus;
mod device;
mod environment;
pub mod expected;
mod extract;
pub mod keys;
mod limits;
mod log;
mod model;
pub mod named;
mod predictor;
mod reference;
mod server;
mod sources;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::Value;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::explanation::{Groups, Lexicon};
pub use admin_key::AdminKey;
pub use concepts::Concepts;
pub use corpus::{CorpusEntry, check_corpus_id};
pub use device::DeviceName;
pub use keys::NamedKey;
pub use limits::Limits;
pub use log::{Log, LogFormat};
use model::unique_ids;
pub use model::{AUTO, ActivationName, DtypeName, ModelEntry, check_id, check_source};
pub use predictor::Predictor;
pub use reference::markdown;
pub use server::{Server, Tls};
pub use sources::Sources;

/// Read from the current directory, if it exists.
const DEFAULT_FILE: &str = "config/default.toml";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
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
    pub concepts: Concepts,
    #[garde(dive)]
    pub log: Log,
    #[garde(dive)]
    pub predictor: Predictor,
    /// The first one is used for requests that name no model. By default, the built-in models.
    #[garde(length(max = 64), dive, custom(unique_ids))]
    pub models: Vec<ModelEntry>,
    /// Beside those of the built-in models.
    #[garde(length(max = 64), dive, custom(corpus::unique_ids))]
    pub corpora: Vec<CorpusEntry>,
    /// Groups of words by name, for requests to explain that have no lexicon of their own.
    #[garde(skip)]
    pub lexicon: Groups,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Where models compute. `cuda:N`: the GPU with this number, which needs the feature `cuda`; it
    /// is an error at the start if it cannot be used. `auto`: the first GPU if it works, else the
    /// CPU. `cpu`: this crate's kernels. For tests, with the feature `candle`: `portable`, what runs
    /// on a GPU, on the CPU, and `reference`, the same in f64.
    #[garde(custom(device::can_compute))]
    pub device: DeviceName,
    /// Number of passes that run at a time, each on its own thread; 0: one per available core,
    /// or fewer if memory is low. A GPU runs one pass at a time.
    #[garde(range(max = 1024))]
    pub threads: usize,
    /// Maximum number of tokens per pass; 0: 256, or 16,384 on a GPU.
    #[garde(range(max = 1 << 20))]
    pub batch_tokens: usize,
    /// Maximum MiB that a pass keeps for its backward pass; a row that needs more runs alone.
    /// 0: 256, or less if memory is low; on a GPU, half of the memory that is free at the start.
    #[garde(range(max = 1 << 20))]
    pub pass_mebibytes: usize,
    /// Maximum tokens x rows x layers of all requests in flight; above it, requests get 429. 0:
    /// 6 million, or less if memory is low; 16 times as much on a GPU.
    #[garde(range(max = u32::MAX as usize))]
    pub queued_work: usize,
    /// Interval at which models' files are checked for changes; 0: never.
    #[garde(range(max = 86_400_000))]
    pub watch_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Validate, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Maximum MiB of cached responses; 0: no cache.
    #[garde(range(max = 1 << 20))]
    pub mebibytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        let models = crate::checkpoint::source::BUILTINS
            .iter()
            .map(|builtin| ModelEntry::new(builtin.name, format!("builtin:{}", builtin.name)))
            .collect();
        Self {
            server: Server::default(),
            limits: Limits::default(),
            engine: Engine::default(),
            cache: Cache::default(),
            sources: Sources::default(),
            concepts: Concepts::default(),
            log: Log::default(),
            predictor: Predictor::default(),
            models,
            corpora: Vec::new(),
            lexicon: Groups::new(),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            device: DeviceName::Auto,
            threads: 0,
            batch_tokens: 0,
            pass_mebibytes: 0,
            queued_work: 0,
            watch_ms: 10_000,
        }
    }
}

/// All errors of a configuration, one line each.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Returns an unknown key if the file belongs to another program: it has none of the keys that
/// are specific to this one. Otherwise unknown keys are errors.
fn foreign(file: &Figment) -> Option<String> {
    const OWN: [&str; 8] =
        ["concepts", "corpora", "engine", "lexicon", "limits", "models", "predictor", "sources"];
    const SHARED: [&str; 3] = ["cache", "log", "server"];
    let keys = file.extract::<BTreeMap<String, Value>>().ok()?.into_keys();
    let keys: Vec<String> = keys.collect();
    match keys.iter().any(|key| OWN.contains(&key.as_str())) {
        true => None,
        false => keys.into_iter().find(|key| !SHARED.contains(&key.as_str())),
    }
}

impl Config {
    /// Reads all sources except the flags.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigErrors> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        if Path::new(DEFAULT_FILE).is_file() {
            match foreign(&Figment::from(Toml::file_exact(DEFAULT_FILE))) {
                Some(key) => {
                    let message = format!(
                        "{DEFAULT_FILE} is ignored: its key {key:?} belongs to another program"
                    );
                    // Logging is not set up yet.
                    let _ = writeln!(io::stderr(), "{message}");
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
        let (config, mut errors) = extract::config(&layers, tree);
        errors.extend(config.iter().flat_map(Self::errors));
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Validates the configuration again, after flags have changed it.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        match self.errors() {
            errors if errors.is_empty() => Ok(()),
            errors => Err(ConfigErrors(errors)),
        }
    }

    /// Validates the values.
    fn errors(&self) -> Vec<String> {
        let line = |path: &dyn fmt::Display, error: &dyn fmt::Display| format!("{path}: {error}");
        let report = self.validate().err();
        let invalid = report.iter().flat_map(|report| report.iter());
        let mut errors: Vec<String> = invalid.map(|(path, error)| line(path, error)).collect();
        if self.models.is_empty() && self.predictor.host.is_none() {
            errors.push(line(&"models", &"at least one model, or predictor.host, is needed"));
        }
        if self.predictor.host.is_some() && self.models.iter().any(|m| m.id == self.predictor.model)
        {
            errors.push(line(&"predictor.model", &"one of the models has the same id"));
        }
        for (index, entry) in self.models.iter().enumerate() {
            let source = entry.source.parse();
            if let Some(Err(error)) = source.ok().map(|source| self.sources.check(&source)) {
                errors.push(line(&format!("models[{index}].source"), &error));
            }
        }
        if let Err(error) = Lexicon::new(&self.lexicon, self.limits.evidence_terms) {
            errors.push(line(&"lexicon", &error));
        }
        for (number, entry) in self.corpora.iter().enumerate() {
            if self.models.iter().all(|model| model.id != entry.model) {
                let error = format!("no model of this configuration is called {:?}", entry.model);
                errors.push(line(&format!("corpora[{number}].model"), &error));
            }
            if let Err(error) = self.sources.check_file(&entry.path) {
                errors.push(line(&format!("corpora[{number}].path"), &error));
            }
        }
        errors
    }
}

/// Reads the table `[lexicon]` of a TOML file, such as a configuration.
///
/// # Errors
/// A message that does not name the file.
pub fn lexicon_of(file: &Path) -> Result<Groups, String> {
    if !file.is_file() {
        return Err("no such file".to_owned());
    }
    extract::lexicon(&Figment::from(Toml::file_exact(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigErrors> {
        let defaults = Figment::from(Serialized::defaults(Config::default()));
        Config::from_layers(defaults.merge(Toml::string(text)))
    }

    #[test]
    fn default_toml_equals_the_defaults() {
        let file = include_str!("../config/default.toml");
        assert_eq!(read(file).unwrap(), Config::default());
    }

    #[test]
    fn a_lexicon_is_limited() {
        let text = "[limits]\nevidence_terms = 2\n[lexicon]\nnegation = [\"not\", \"never\"]";
        let errors = read(text).unwrap_err().0;
        assert!(errors[0].starts_with("lexicon: the lexicon has 3 names and words"), "{errors:?}");
        let groups = read(&text.replace("= 2", "= 3")).unwrap().lexicon;
        assert_eq!(groups["negation"], ["not", "never"]);
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
            [concepts]
            folder = "Cargo.toml"
            [log]
            filter = "a=b=c"
            [lexicon]
            negation = ["not", 3]
            names = "Anna"
            [[models]]
            id = "a b"
            source = "builtin:nothing"
            [[corpora]]
            id = "sentiment-en"
            path = "nowhere.jsonl"
            model = "another"
            store = "Cargo.toml"
            [[corpora]]
            id = "b"
            path = "Cargo.toml"
            model = "a b"
        "#;
        let errors = read(text).unwrap_err().0;
        for path in [
            "colour",
            "server.listen",
            "server.prot",
            "limits.inputs",
            "limits.body_bytes",
            "limits.response_mebibytes_total",
            "concepts.folder",
            "log.filter",
            "lexicon.negation.1",
            "lexicon.names",
            "models[0].id",
            "models[0].source",
            "corpora[0].id",
            "corpora[0].path",
            "corpora[0].model",
            "corpora[0].store",
            "corpora[1].path",
        ] {
            let start = format!("{path}:");
            assert!(errors.iter().any(|error| error.starts_with(&start)), "{path} in {errors:#?}");
        }
        assert_eq!(errors.len(), 17, "{errors:#?}");
    }

    #[test]
    fn files_of_other_programs_are_detected() {
        let foreign = |text: &str| foreign(&Figment::from(Toml::string(text)));
        assert_eq!(foreign("[server]\nport = 1\n[database]\n").as_deref(), Some("database"));
        assert_eq!(foreign("debug = true").as_deref(), Some("debug"));
        for own in ["", "[server]\nprot = 1", "[limits]\n[databse]", "[[models]]\n[x]", "a = "] {
            assert_eq!(foreign(own), None, "{own}");
        }
    }

    #[test]
    fn duplicate_model_ids_are_rejected() {
        let entry = "[[models]]\nid = \"a\"\nsource = \"builtin:sentiment-en\"\n";
        let errors = read(&entry.repeat(2)).unwrap_err().0;
        assert!(errors[0].contains("twice"), "{errors:?}");
    }
}
