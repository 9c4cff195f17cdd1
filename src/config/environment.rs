//! What environment variables say: those of this program, and PORT.

use figment::Figment;
use figment::providers::{Env, Serialized};

use super::{ConfigErrors, Server};

const PREFIX: &str = "EXPLAIND_";

/// Between the levels of a setting.
const LEVEL: &str = "__";

/// The variable of `server.admin_key`, after its prefix.
const KEY_VARIABLE: &str = "SERVER__ADMIN_KEY";

/// Where platforms such as Cloud Run tell a service the port to listen on.
pub const PORT: &str = "PORT";

/// The variables over other layers. One without levels is not ours: for a Service
/// called explaind Kubernetes sets EXPLAIND_PORT, EXPLAIND_SERVICE_HOST and others.
pub fn over(layers: Figment) -> Figment {
    let ours = Env::prefixed(PREFIX).filter(|name| name.as_str().contains(LEVEL));
    let layers = layers.merge(ours.ignore(&[KEY_VARIABLE]).split(LEVEL));
    // As it is: figment would take a key of digits for a number.
    match std::env::var(format!("{PREFIX}{KEY_VARIABLE}")) {
        Ok(key) => layers.merge(Serialized::default("server.admin_key", key)),
        Err(_) => layers,
    }
}

/// The layers of the defaults, with the port of a platform: on all interfaces, for its
/// requests come from elsewhere. Where these layers have another address than the
/// default, somebody chose it.
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
        _ => Err(ConfigErrors(vec![format!("{PORT}: must be 1 to 65535, and is {port:?}")])),
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
    fn a_port_is_for_who_chose_no_address() {
        const FILE: &str = "[server]\nlisten = \"127.0.0.1:8080\"";
        let other = "[server]\nlisten = \"127.0.0.1:9000\"";
        for (defaults, port, file, wanted) in [
            ("", None, "", "127.0.0.1:8080"),
            ("", Some(""), "", "127.0.0.1:8080"),
            ("", Some("9"), "", "0.0.0.0:9"),
            // The shipped file, which only spells it out.
            (FILE, Some("9"), "", "0.0.0.0:9"),
            (other, Some("9"), "", "127.0.0.1:9000"),
            ("", Some("9"), FILE, "127.0.0.1:8080"),
        ] {
            assert_eq!(listen(defaults, port, file).unwrap(), wanted, "{port:?} {file}");
        }
        for odd in ["tcp://10.0.0.1:80", "0", "65536", "-1", " 80"] {
            let error = listen("", Some(odd), "").unwrap_err().to_string();
            assert!(error.contains("PORT"), "{error}");
        }
    }
}
