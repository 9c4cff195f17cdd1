//! Download progress: a bar on a terminal, otherwise lines in the log.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tracing::info;

/// Held by the download that draws the bar. Concurrent downloads log instead.
static BAR: Mutex<()> = Mutex::new(());

pub struct Progress {
    name: String,
    total: Option<u64>,
    done: u64,
    /// Bytes received by this download, without those of earlier attempts.
    received: u64,
    started: Instant,
    shown: Instant,
    bar: Option<MutexGuard<'static, ()>>,
}

const DRAW_INTERVAL: Duration = Duration::from_millis(100);
const LOG_INTERVAL: Duration = Duration::from_secs(10);
const WIDTH: u64 = 24;

impl Progress {
    pub fn start(name: &str, total: Option<u64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| BAR.try_lock().ok()).flatten();
        let (started, name) = (Instant::now(), name.to_owned());
        let progress = Self { name, total, done: 0, received: 0, started, shown: started, bar };
        if progress.bar.is_none() {
            let megabytes = total.map_or_else(|| "?".to_owned(), megabytes);
            info!(file = progress.name, megabytes, "downloading");
        }
        progress
    }

    /// Sets the number of bytes that are already on disk.
    pub fn resume_at(&mut self, done: u64) {
        self.done = done;
    }

    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        self.received += bytes;
        let interval = if self.bar.is_some() { DRAW_INTERVAL } else { LOG_INTERVAL };
        if self.shown.elapsed() >= interval {
            self.shown = Instant::now();
            self.show();
        }
    }

    fn show(&self) {
        let done = megabytes(self.done);
        if self.bar.is_none() {
            let percent = self.total.map(|total| 100 * self.done / total.max(1));
            info!(file = self.name, megabytes = done, percent, "downloading");
            return;
        }
        let speed = self.received as f64 / 1e6 / self.started.elapsed().as_secs_f64().max(1e-3);
        let full = self.total.map_or(0, |total| WIDTH * self.done.min(total) / total.max(1));
        let total = self.total.map_or_else(|| "?".to_owned(), megabytes);
        let bar = "=".repeat(full as usize) + &" ".repeat((WIDTH - full) as usize);
        // A closed terminal must not abort the download.
        let mut out = io::stderr().lock();
        let line = format!("\r{} [{bar}] {done}/{total} MB, {speed:.1} MB/s ", self.name);
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    /// Reports that the download is complete.
    pub fn finish(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        match self.bar {
            Some(_) => self.show(),
            None => {
                info!(file = self.name, megabytes = megabytes(self.done), seconds, "downloaded")
            }
        }
    }
}

/// Ends the line of the bar, also after errors.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.bar.is_some() {
            let _ = io::stderr().write_all(b"\n");
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
