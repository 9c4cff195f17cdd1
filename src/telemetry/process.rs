//! Resource usage of the process, with the metric names of Prometheus' client libraries. Values are
//! read at each scrape.

/// The metrics in the Prometheus text format; empty if the system does not provide them.
pub fn process() -> String {
    usage().map(|metrics| metrics.iter().map(line).collect()).unwrap_or_default()
}

/// Name, type, help text and value.
type Metric = (&'static str, &'static str, &'static str, f64);

fn line((name, kind, help, value): &Metric) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n")
}

#[cfg(target_os = "linux")]
fn usage() -> Option<Vec<Metric>> {
    use procfs::process::{LimitValue, Process};

    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let ticks = procfs::ticks_per_second() as f64;
    let started = procfs::boot_time_secs().ok()? as f64 + stat.starttime as f64 / ticks;
    let max_fds = match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(max_fds) => max_fds as f64,
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
        ("process_max_fds", "gauge", "Maximum number of open file descriptors", max_fds),
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
fn usage() -> Option<Vec<Metric>> {
    None
}
