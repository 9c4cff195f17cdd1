//! What the process takes of its machine, by the names that Prometheus' own clients
//! give it. They are read when somebody asks.

/// In Prometheus' text format; empty where the system does not say.
pub fn process() -> String {
    taken().map(|figures| figures.iter().map(line).collect()).unwrap_or_default()
}

/// Name, kind, meaning and value.
type Figure = (&'static str, &'static str, &'static str, f64);

fn line((name, kind, meaning, value): &Figure) -> String {
    format!("# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name} {value}\n\n")
}

#[cfg(target_os = "linux")]
fn taken() -> Option<Vec<Figure>> {
    use procfs::process::{LimitValue, Process};

    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let ticks = procfs::ticks_per_second() as f64;
    let started = procfs::boot_time_secs().ok()? as f64 + stat.starttime as f64 / ticks;
    let most = match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(most) => most as f64,
        LimitValue::Unlimited => f64::INFINITY,
    };
    Some(vec![
        (
            "process_cpu_seconds_total",
            "counter",
            "User and system CPU time, in seconds",
            (stat.utime + stat.stime) as f64 / ticks,
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory, in bytes",
            (stat.rss * procfs::page_size()) as f64,
        ),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory, in bytes", stat.vsize as f64),
        ("process_open_fds", "gauge", "Open file descriptors", process.fd_count().ok()? as f64),
        ("process_max_fds", "gauge", "The most file descriptors that may be open", most),
        ("process_threads", "gauge", "Threads", stat.num_threads as f64),
        (
            "process_start_time_seconds",
            "gauge",
            "Start of the process, in seconds since the Unix epoch",
            started,
        ),
    ])
}

#[cfg(not(target_os = "linux"))]
fn taken() -> Option<Vec<Figure>> {
    None
}
