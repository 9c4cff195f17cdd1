//! Where indexes are stored.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The configured store of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    Folder(PathBuf),
    /// A PostgreSQL database with pgvector, which services can share.
    Database(Address),
}

/// The store of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    File(PathBuf),
    /// A database, and the name that the index has in it.
    Database(Address, String),
}

/// The URL of a database. It may hold a password, so only its host and database are printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The whole URL.
    #[cfg(feature = "pgvector")]
    pub(super) fn url(&self) -> &str {
        &self.0
    }
}

impl FromStr for Store {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None => Ok(Self::Folder(text.into())),
            Some(("postgres" | "postgresql", _)) if !cfg!(feature = "pgvector") => {
                Err("this build cannot use a database (feature pgvector)".to_owned())
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self::Database(Address(text.to_owned()))),
            Some(_) => Err("must be a folder or a postgres:// URL".to_owned()),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Database(address) => write!(f, "{address}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        // Parameters may hold a password too.
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (_, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        write!(f, "postgres://{host}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_printed() {
        for (url, shown) in [
            ("postgres://me:secret@db:5432/corpora", "postgres://db:5432/corpora"),
            ("postgresql://me:secret%40@db/corpora?sslmode=disable", "postgres://db/corpora"),
            ("postgres://db/corpora?user=me&password=secret", "postgres://db/corpora"),
            ("postgres://me:sec@ret@db", "postgres://db"),
        ] {
            let address = Address(url.to_owned());
            let store = Store::Database(address.clone());
            for text in [format!("{address}"), format!("{address:?}"), format!("{store}")] {
                assert_eq!(text, shown);
            }
            assert!(!format!("{store:?}").contains("sec"));
        }
    }

    #[test]
    fn stores_are_folders_or_databases() {
        assert_eq!("/var/lib/x".parse(), Ok(Store::Folder("/var/lib/x".into())));
        let database = "postgres://me:secret@db/corpora".parse::<Store>();
        assert_eq!(database.is_ok(), cfg!(feature = "pgvector"));
        for url in ["postgres://me:secret@db", "postgre://me:secret@db", "https://me:secret@db"] {
            if let Err(error) = url.parse::<Store>() {
                assert!(!error.contains("secret"), "{error}");
            }
        }
        assert!("postgre://me:secret@db".parse::<Store>().is_err());
    }
}
