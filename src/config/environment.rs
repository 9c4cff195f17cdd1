//! Configuration from environment variables: `EXPLAIND_*` and `PORT`.

use figment::Figment;
use figment::providers::{Env, Serialized};

use super::{ConfigErrors, Server};

const PREFIX: &str = "EXPLAIND_";

/// Separates the levels of a setting.
const SEPARATOR: &str = "__";

/// The variable for `server.admin_key`, without the prefix.
const ADMIN_KEY: &str = "SERVER__ADMIN_KEY";

/// Set by platforms such as Cloud Run to the port to listen on.
pub const PORT: &str = "PORT";

/// The variable for a setting, such as `server.listen`.
pub fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', SEPARATOR).to_uppercase())
}

/// Adds the `EXPLAIND_*` variables. Ignores those without a separator: for a Service called
/// explaind, Kubernetes sets EXPLAIND_PORT, EXPLAIND_SERVICE_HOST and others.
pub fn over(layers: Figment) -> Figment {
    let ours = Env::prefixed(PREFIX).filter(|name| name.as_str().contains(SEPARATOR));
    let layers = layers.merge(ours.ignore(&[ADMIN_KEY]).split(SEPARATOR));
    // Not through `Env`, which would parse a key of digits as a number.
    match std::env::var(format!("{PREFIX}{ADMIN_KEY}")) {
        Ok(key) => layers.merge(Serialized::default("server.admin_key", key)),
        Err(_) => layers,
    }
}

/// Applies `PORT`, on all interfaces, because a platform's requests come from outside. Ignored
/// if `layers` already have another address than the default.
pub fn with_port(layers: Figment, port: Option<String>) -> Result<Figment, ConfigErrors> {
    let Some(port) = port.filter(|port| !port.is_empty()) else { return Ok(layers) };
    let default = Server::default().listen.to_string();
    if layers.extract_inner::<String>("server.listen").ok() != Some(default) {
        return Ok(layers);
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => {
            Ok(layers.merge(Serialized::default("server.listen", format!("0.0.0.0:{port}"))))
        }
        _ => Err(ConfigErrors(vec![format!("{PORT}: must be 1 to 65535, but is {port:?}")])),
    }
}

#[cfg(test)]
mod tests {
    use figment::providers::{Format, Toml};

    use super::*;
    use crate::config::Config;

    fn listen(defaults: &str, port: Option<&str>, file: &str) -> Result<String, ConfigErrors> {
        let layers = Figment::from(Serialized::defaults(Config::default()));
        let layers = layers.merge(Toml::string(defaults));
        let layers = with_port(layers, port.map(str::to_owned))?.merge(Toml::string(file));
        Config::from_layers(layers).map(|config| config.server.listen.to_string())
    }

    #[test]
    fn port_applies_unless_an_address_is_configured() {
        const FILE: &str = "[server]\nlisten = \"127.0.0.1:8080\"";
        let other = "[server]\nlisten = \"127.0.0.1:9000\"";
        for (defaults, port, file, expected) in [
            ("", None, "", "127.0.0.1:8080"),
            ("", Some(""), "", "127.0.0.1:8080"),
            ("", Some("9"), "", "0.0.0.0:9"),
            // config/default.toml repeats the default.
            (FILE, Some("9"), "", "0.0.0.0:9"),
            (other, Some("9"), "", "127.0.0.1:9000"),
            ("", Some("9"), FILE, "127.0.0.1:8080"),
        ] {
            assert_eq!(listen(defaults, port, file).unwrap(), expected, "{port:?} {file}");
        }
        for invalid in ["tcp://10.0.0.1:80", "0", "65536", "-1", " 80"] {
            let error = listen("", Some(invalid), "").unwrap_err().to_string();
            assert!(error.contains("PORT"), "{error}");
        }
    }
}
