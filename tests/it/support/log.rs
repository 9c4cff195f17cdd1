//! Captures the log of this process at `info`. Tests find their own lines by request id.

use std::io::{self, Write};
use std::sync::{Mutex, Once};

use serde_json::Value;
use tracing_subscriber::EnvFilter;

static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts capturing.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = EnvFilter::new("explaind=info");
        let lines = tracing_subscriber::fmt().json().with_env_filter(filter);
        lines.with_writer(|| Sink).init();
    });
}

/// Returns the lines of the request with this id.
pub fn of(id: &str) -> Vec<Value> {
    let written = WRITTEN.lock().unwrap().clone();
    let lines = String::from_utf8(written).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.filter(|line: &Value| line["span"]["id"] == id).collect()
}
