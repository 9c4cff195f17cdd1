//! Connections to a PostgreSQL database.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, io, mem, thread};

use postgres::{Client, Config, NoTls};

use crate::corpus::Address;

/// Maximum time to connect.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Maximum number of connections that are kept for later queries.
const MAX_IDLE: usize = 8;

/// The password, if the URL has none.
const PASSWORD: &str = "PGPASSWORD";

/// Connections that are opened when needed and kept for later queries. They are not encrypted.
pub struct Clients {
    config: Config,
    idle: Mutex<Vec<Client>>,
}

impl Clients {
    /// Parses the URL; nothing is connected yet.
    pub fn new(address: &Address) -> io::Result<Self> {
        // The error does not quote the URL.
        let config = address.url().parse::<Config>().map_err(|error| readable(&error));
        let mut config = config?;
        if config.get_password().is_none()
            && let Ok(password) = env::var(PASSWORD)
        {
            config.password(password);
        }
        config.connect_timeout(CONNECT_TIME);
        Ok(Self { config, idle: Mutex::default() })
    }

    /// Runs `work` on a connection. Must not be called on a thread of an async runtime.
    ///
    /// # Errors
    /// Fails if the database cannot be reached, or with the error of `work`.
    pub fn run<T>(
        &self,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> io::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut client = match idle.filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.config.connect(NoTls).map_err(|error| readable(&error))?,
        };
        let done = work(&mut client).map_err(|error| readable(&error))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(client);
        }
        Ok(done)
    }
}

impl Drop for Clients {
    /// A connection ends on the runtime that it owns, which an async thread must not wait for.
    fn drop(&mut self) {
        let idle = mem::take(self.idle.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !idle.is_empty() {
            thread::spawn(move || drop(idle));
        }
    }
}

/// Returns the database's message, which the error's own text lacks, or the error with its cause.
fn readable(error: &postgres::Error) -> io::Error {
    use std::error::Error;
    io::Error::other(match (error.as_db_error(), error.source()) {
        (Some(own), _) => own.message().to_owned(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    })
}
