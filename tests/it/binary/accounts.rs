//! Log lines and metrics of every request, without texts and keys.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use explaind::config::keys::digest;
use serde_json::Value;

use super::{Served, explaind};
use crate::support::wait_until_blocking;

/// A text in every request below.
const TEXT: &str = "zanzibar";
const KEY: &str = "sesame-sesame-sesame";
const ADMIN: &str = "abracadabra-abracadabra";

fn serve() -> Served {
    let mut command = explaind();
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("EXPLAIND_LOG__FORMAT", "json")
        .env("EXPLAIND_LOG__FILTER", "info,explaind=trace")
        .env("EXPLAIND_SERVER__ADMIN_KEY", ADMIN)
        .env("EXPLAIND_SERVER__KEYS", format!("[\"app:{}\"]", digest(KEY)))
        .env("EXPLAIND_ENGINE__QUEUED_WORK", "20000");
    Served::of(command)
}

fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.url.trim_start_matches("http://")).unwrap()
}

/// Sends these bytes and returns the status of the response.
fn send(served: &Served, bytes: &str) -> u16 {
    let mut stream = connect(served);
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no response to {bytes}")).parse().unwrap()
}

fn head(method: &str, path: &str, key: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer \
         {key}\r\nContent-Type: application/json\r\n{more}"
    )
}

fn ask(method: &str, path: &str, key: &str, body: &str) -> String {
    head(method, path, key, &format!("Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// Returns requests for every route and every kind of error, with the expected status.
fn requests() -> Vec<(String, u16)> {
    let inputs = format!(r#"{{"inputs": "{TEXT} is great", "methods": ["saliency"]}}"#);
    let costly = format!(
        r#"{{"inputs": "{TEXT}", "methods": [{{"name": "integrated_gradients", "n_steps": 2000}}]}}"#
    );
    let predict = format!(r#"{{"inputs": "{TEXT} is great"}}"#);
    let source = format!(r#"{{"source": "builtin:{TEXT}"}}"#);
    let many = format!("{TEXT}: {TEXT}\r\n");
    let invalid = format!("{KEY}-not");
    let mut requests = vec![
        (ask("POST", "/explain", KEY, &inputs), 200),
        (ask("POST", "/explain/compare", KEY, &inputs), 200),
        (ask("POST", "/estimate", KEY, &inputs), 200),
        (ask("POST", "/predict", KEY, &predict), 200),
        (ask("POST", "/explain", ADMIN, &inputs), 200),
        (ask("POST", "/explain", &invalid, &inputs), 401),
        (ask("POST", "/explain", KEY, &inputs[..inputs.len() - 1]), 400),
        (ask("POST", "/explain", KEY, &inputs.replace("methods", TEXT)), 422),
        (ask("POST", "/explain", KEY, &inputs.replace("saliency", TEXT)), 422),
        (ask("POST", "/explain", KEY, &format!(r#"{{"model": "{TEXT}", "inputs": "a"}}"#)), 404),
        (
            ask("POST", "/explain", KEY, &predict.replace(TEXT, &format!("{TEXT} ").repeat(400))),
            422,
        ),
        (ask("POST", "/explain", KEY, &costly), 422),
        (ask("POST", &format!("/{TEXT}?{KEY}"), KEY, ""), 404),
        (ask("GET", &format!("/explain?{TEXT}={KEY}"), KEY, ""), 405),
        (ask("GET", &format!("/models/{TEXT}"), KEY, ""), 404),
        (ask("PUT", "/models/new", ADMIN, &source), 422),
        (ask("PUT", "/models/new", KEY, &source), 401),
        (ask("DELETE", "/models/new", ADMIN, ""), 404),
        (ask("GET", &format!("/problems/{TEXT}"), KEY, ""), 404),
        (head("GET", "/livez", KEY, &format!("X-Request-Id: {TEXT}<>\r\n\r\n")), 200),
        (head("GET", "/livez", KEY, &format!("traceparent: {TEXT}\r\n\r\n")), 200),
        (
            head(
                "POST",
                "/explain",
                KEY,
                &format!("Accept: {TEXT}/a\r\nContent-Length: {}\r\n\r\n{inputs}", inputs.len()),
            ),
            406,
        ),
        (
            head(
                "POST",
                "/explain",
                KEY,
                &format!("Content-Encoding: {TEXT}\r\nContent-Length: 0\r\n\r\n"),
            ),
            415,
        ),
        (
            head(
                "POST",
                "/explain",
                KEY,
                &format!(
                    "X-Request-Timeout: {TEXT}\r\nContent-Length: {}\r\n\r\n{inputs}",
                    inputs.len()
                ),
            ),
            400,
        ),
        (head("GET", "/livez", KEY, &format!("{}\r\n", many.repeat(150))), 431),
        (head("GET", "/livez", KEY, &format!("{}\r\n", many.repeat(500))), 431),
        (head("GET", "/livez", KEY, &format!("{TEXT} {KEY}\r\n\r\n")), 400),
        (ask(&TEXT.to_uppercase(), "/livez", KEY, ""), 405),
        (ask("OPTIONS", "/explain", KEY, ""), 204),
        (format!("{TEXT} {KEY}\r\n\r\n"), 400),
    ];
    for path in [
        "/models",
        "/methods",
        "/models/sentiment-en",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/problems",
        "/problems/internal",
    ] {
        requests.push((ask("GET", path, KEY, ""), 200));
    }
    requests
}

/// Returns the log lines for the end of a request.
fn ends(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.filter(|line: &Value| line["fields"]["message"] == "request ended").collect()
}

/// Returns the numbers of requests by route and outcome from the metrics.
fn counts(metrics: &str) -> BTreeMap<(String, String), usize> {
    let series =
        metrics.lines().filter_map(|line| line.strip_prefix("explaind_requests_total{route=\""));
    let counts = series.map(|line| {
        let (route, rest) = line.split_once("\",outcome=\"").unwrap();
        let (outcome, count) = rest.split_once("\"} ").unwrap();
        ((route.to_owned(), outcome.to_owned()), count.parse().unwrap())
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn every_request_is_logged_and_counted_once_without_text_and_key() {
    let served = serve();
    let requests = requests();
    for (bytes, status) in &requests {
        assert_eq!(send(&served, bytes), *status, "{}", &bytes[..bytes.len().min(600)]);
    }
    // A client that disconnects before the end of the request body.
    let head = ask("POST", "/explain", KEY, TEXT).replace("Content-Length: ", "Content-Length: 9");
    let mut stream = connect(&served);
    stream.write_all(head.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    wait_until_blocking(|| ends(&served.log()).len() > requests.len());
    let mut reply = ureq::get(format!("{}/metrics", served.url)).call().unwrap();
    let counted = counts(&reply.body_mut().read_to_string().unwrap());
    wait_until_blocking(|| ends(&served.log()).len() > requests.len() + 1);
    let log = served.log();
    let mut lines = ends(&log);
    // The request to /metrics ended after the metrics were read.
    lines.pop();
    assert_eq!(lines.len(), requests.len() + 1);
    let mut logged = BTreeMap::new();
    for line in &lines {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let series = (text(&line["span"]["route"]), text(&line["fields"]["outcome"]));
        *logged.entry(series).or_insert(0) += 1;
    }
    assert_eq!(logged, counted);
    for line in log.lines() {
        for secret in [TEXT, KEY, ADMIN] {
            assert!(!line.to_lowercase().contains(secret), "{line}");
        }
    }
}

#[test]
fn open_connections_are_counted() {
    let served = serve();
    let open = || -> f64 {
        let mut reply = ureq::get(format!("{}/metrics", served.url)).call().unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix("explaind_connections_open "));
        value.unwrap().parse().unwrap()
    };
    // The connection of this request counts too.
    wait_until_blocking(|| open() == 1.);
    let idle: Vec<TcpStream> = (0..3).map(|_| connect(&served)).collect();
    wait_until_blocking(|| open() == 4.);
    drop(idle);
    wait_until_blocking(|| open() == 1.);
}
