//! Endpoint, cache folder and token of the hub, from the environment variables of Python's
//! huggingface_hub, with its defaults.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::files;

/// Maximum bytes of a token file.
const MAX_TOKEN: u64 = 16_384;

#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that contains `models--owner--name`.
    pub cache: PathBuf,
    /// Without a trailing slash.
    pub endpoint: String,
    pub token: Option<Token>,
    pub access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Online,
    /// No network access.
    Offline,
}

/// A secret token; `Debug` does not print it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Returns the value of the header `authorization`.
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(text.to_owned())),
            false => Err("the hub's token has an invalid character".to_owned()),
        }
    }
}

impl Settings {
    pub fn from_environment() -> Result<Self, String> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let home = given("HOME").or_else(|| given("USERPROFILE")).map(PathBuf::from);
        // Expand ~ like a shell: variables may be set where no shell does.
        let expanded = |path: String| match (path.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        };
        let folder = |name: &str| given(name).map(expanded);
        let hub_home = folder("HF_HOME")
            .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface")))
            .or_else(|| Some(home.as_ref()?.join(".cache/huggingface")));
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(hub_home.as_ref()?.join("hub")))
            .ok_or("no folder to keep the hub's files in: set HF_HOME")?;
        let token_file = folder("HF_TOKEN_PATH").or_else(|| Some(hub_home?.join("token")));
        let token = given("HF_TOKEN")
            .or_else(|| given("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| {
                files::read_text(&token_file?, MAX_TOKEN)
                    .ok()
                    .filter(|text| !text.trim().is_empty())
            })
            .map(|token| token.trim().parse())
            .transpose()?;
        let endpoint = given("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let offline = given("HF_HUB_OFFLINE").or_else(|| given("TRANSFORMERS_OFFLINE"));
        let access = match offline.is_some_and(|value| is_true(&value)) {
            true => Access::Offline,
            false => Access::Online,
        };
        Ok(Self { cache, endpoint: endpoint.trim_end_matches('/').to_owned(), token, access })
    }
}

fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
        Settings::from_variables(|name| find(name).map(|(_, value)| (*value).to_owned())).unwrap()
    }

    #[test]
    fn cache_folder_by_precedence() {
        let home = ("HOME", "/h");
        for (variables, cache) in [
            (vec![home], "/h/.cache/huggingface/hub"),
            (vec![home, ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (vec![home, ("HF_HOME", "~/m"), ("XDG_CACHE_HOME", "/x")], "/h/m/hub"),
            (vec![("HF_HOME", "/m"), ("HF_HUB_CACHE", "/c")], "/c"),
            (vec![("HF_HOME", "/m"), ("HUGGINGFACE_HUB_CACHE", "/c")], "/c"),
            (vec![("HF_HOME", "/m"), ("HF_HUB_CACHE", " ")], "/m/hub"),
        ] {
            assert_eq!(read(&variables).cache, PathBuf::from(cache), "{variables:?}");
        }
        assert!(Settings::from_variables(|_| None).unwrap_err().contains("HF_HOME"));
    }

    #[test]
    fn offline_values() {
        for (value, access) in [
            ("1", Access::Offline),
            ("true", Access::Offline),
            ("Yes", Access::Offline),
            ("0", Access::Online),
            ("", Access::Online),
        ] {
            assert_eq!(read(&[("HOME", "/h"), ("HF_HUB_OFFLINE", value)]).access, access);
            assert_eq!(read(&[("HOME", "/h"), ("TRANSFORMERS_OFFLINE", value)]).access, access);
        }
    }

    #[test]
    fn tokens_are_read_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        let token = |settings: &Settings| settings.token.clone().map(|token| token.0);
        assert_eq!(token(&read(&[home])).as_deref(), Some("hf_file"));
        let settings = read(&[home, ("HF_TOKEN", "hf_variable")]);
        assert_eq!(token(&settings).as_deref(), Some("hf_variable"));
        assert!(!format!("{settings:?}").contains("hf_variable"));
        assert!("a\nb".parse::<Token>().is_err());
    }
}
