//! Signals, tracing and TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

use super::{Served, explaind, run};
use crate::support::{golden_folder, self_signed, wait_until_blocking};

fn signal(served: &Served, name: &str) {
    let id = served.child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
}

/// Waits until GET /models lists exactly these ready models.
fn wait_for_models(served: &Served, expected: &[&str]) {
    wait_until_blocking(|| {
        let mut reply = ureq::get(format!("{}/models", served.url)).call().unwrap();
        let list: Value = reply.body_mut().read_json().unwrap();
        let models = list["models"].as_array().unwrap();
        let ready = models.iter().filter(|model| model["state"] == "ready");
        let ids: Vec<&str> = ready.map(|model| model["id"].as_str().unwrap()).collect();
        ids == expected
    });
}

fn configure(file: &Path, models: &[(&str, &str)]) {
    let entry =
        |(id, source): &(&str, &str)| format!("[[models]]\nid = {id:?}\nsource = {source:?}\n");
    let models: String = models.iter().map(entry).collect();
    std::fs::write(file, format!("[server]\nlisten = \"127.0.0.1:0\"\n{models}")).unwrap();
}

#[test]
fn sighup_reloads_the_models() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("explaind.toml");
    let tiny = golden_folder("bert-tiny");
    let tiny = tiny.to_str().unwrap();
    configure(&file, &[("a", "builtin:sentiment-en"), ("b", tiny)]);
    let mut command = explaind();
    command.arg("--config").arg(&file);
    let mut served = Served::of(command);
    wait_for_models(&served, &["a", "b"]);
    configure(&file, &[("c", "builtin:sentiment-zh"), ("a", "builtin:sentiment-en")]);
    signal(&served, "HUP");
    wait_for_models(&served, &["c", "a"]);
    for (action, id) in [("load", "c"), ("load", "a"), ("unload", "b")] {
        let line = format!("action={action:?} id={id:?} key=\"*reload\" outcome=\"ok\"");
        wait_until_blocking(|| served.log().matches(&line).count() == 1);
    }
    std::fs::write(&file, "[server]\nlisten = \"nowhere\"").unwrap();
    signal(&served, "HUP");
    wait_until_blocking(|| {
        served.log().contains("the new configuration is invalid and was not applied")
    });
    wait_for_models(&served, &["c", "a"]);
    signal(&served, "TERM");
    assert!(served.child.wait().unwrap().success());
}

#[test]
fn sighup_reloads_the_lexicon() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("explaind.toml");
    let lexicon = |groups: &str| {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[cache]\nmebibytes = 8\n\
             [limits]\nevidence_terms = 4\n[lexicon]\n{groups}"
        );
        std::fs::write(&file, text).unwrap();
    };
    lexicon("praise = [\"great\"]");
    let mut command = explaind();
    command.arg("--config").arg(&file);
    let served = Served::of(command);
    // The response is cached, but by the lexicon too.
    let groups = || {
        let body = json!({"inputs": "A great film.", "methods": ["saliency"]});
        let mut reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
        let answer: Value = reply.body_mut().read_json().unwrap();
        let groups = &answer["results"][0]["explanations"][0]["attributions"]["lexicon"];
        groups.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    wait_until_blocking(|| ureq::get(format!("{}/readyz", served.url)).call().is_ok());
    assert_eq!(groups(), ["praise"]);
    lexicon("blame = [\"dull\"]\nplace = [\"here\"]");
    signal(&served, "HUP");
    wait_until_blocking(|| groups() == ["blame", "place"]);
    // The limit is that of the start.
    let text = std::fs::read_to_string(&file).unwrap();
    let more = text.replace("terms = 4", "terms = 9").replace("\"here\"", "\"here\", \"there\"");
    std::fs::write(&file, more).unwrap();
    signal(&served, "HUP");
    wait_until_blocking(|| served.log().contains("the lexicon is too large"));
    assert_eq!(groups(), ["blame", "place"]);
}

#[test]
fn a_second_signal_stops_the_service_immediately() {
    let mut served = Served::start();
    let body = json!({"inputs": vec!["word ".repeat(100); 6],
        "methods": [{"name": "integrated_gradients", "n_steps": 2_000}]});
    let url = format!("{}/explain", served.url);
    let answer = std::thread::spawn(move || ureq::post(url).send_json(&body).is_ok());
    let metrics = || {
        let mut reply = ureq::get(format!("{}/metrics", served.url)).call().unwrap();
        reply.body_mut().read_to_string().unwrap()
    };
    wait_until_blocking(|| metrics().contains("explaind_queue_requests 1\n"));
    signal(&served, "TERM");
    // It handles the second signal as soon as it has received the first.
    let ready = || ureq::get(format!("{}/readyz", served.url)).call().is_ok();
    wait_until_blocking(|| !ready());
    assert!(served.child.try_wait().unwrap().is_none(), "a request is in flight");
    signal(&served, "TERM");
    let status = served.child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(!answer.join().unwrap());
}

#[test]
fn requests_are_accepted_during_the_lame_duck_time() {
    let mut command = explaind();
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("EXPLAIND_SERVER__LAME_DUCK_MS", "3600000");
    command.env("EXPLAIND_SERVER__PROBE_LISTEN", "127.0.0.1:0");
    let mut served = Served::of(command);
    let log = served.log();
    let probes = log.lines().find(|line| line.contains("probes are answered")).unwrap();
    let port: String = probes
        .split("127.0.0.1:")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let probes = format!("127.0.0.1:{port}");
    let healthy = || run(&["healthcheck", "--address", &probes]).status.success();
    assert!(healthy());
    signal(&served, "TERM");
    wait_until_blocking(|| !healthy());
    let body = json!({"inputs": "good"});
    let reply = ureq::post(format!("{}/explain", served.url)).send_json(&body).unwrap();
    assert_eq!(reply.status(), 200, "requests are still accepted");
    assert!(ureq::get(format!("http://{probes}/livez")).call().is_ok());
    signal(&served, "INT");
    assert_eq!(served.child.wait().unwrap().code(), Some(130));
}

/// Starts a trace collector. Returns its URL and the bodies that it receives.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, bodies) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            assert!(first.starts_with("POST /v1/traces "), "{first}");
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                match line.trim().to_ascii_lowercase().split_once(": ") {
                    Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
                    Some(_) => {}
                    None => break,
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
            if send.send(body).is_err() {
                return;
            }
        }
    });
    (url, bodies)
}

#[test]
fn spans_of_rows_and_passes_belong_to_the_request() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (url, bodies) = collector();
    let mut command = explaind();
    command.args(["--listen", "127.0.0.1:0"]).env("EXPLAIND_LOG__OTLP", url);
    let mut served = Served::of(command);
    let body = json!({"inputs": "A great movie, with words that nobody logs."});
    ureq::post(format!("{}/explain", served.url))
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .send_json(&body)
        .unwrap();
    signal(&served, "TERM");
    assert!(served.child.wait().unwrap().success());
    assert!(served.log().contains(TRACE), "the trace id is logged: {}", served.log());
    let mut spans: Vec<Span> = Vec::new();
    let mut raw = Vec::new();
    while let Ok(body) = bodies.try_recv() {
        let export = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
        raw.extend(body);
    }
    let named = |name: &str| -> Vec<&Span> {
        let trace =
            |span: &Span| span.trace_id.iter().map(|b| format!("{b:02x}")).collect::<String>();
        spans.iter().filter(|span| span.name == name && trace(span) == TRACE).collect()
    };
    let [request] = named("request")[..] else { panic!("one request: {spans:?}") };
    assert_eq!(request.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    let rows = named("rows");
    assert!(!rows.is_empty() && rows.iter().all(|span| span.parent_span_id == request.span_id));
    let passes = named("pass");
    let ids: Vec<&Vec<u8>> = rows.iter().map(|span| &span.span_id).collect();
    assert!(passes.len() >= rows.len());
    assert!(passes.iter().all(|span| ids.contains(&&span.parent_span_id)));
    assert!(!String::from_utf8_lossy(&raw).contains("nobody"), "a text is in a trace");
}

#[test]
fn the_health_check_works_with_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, _) = self_signed(folder.path());
    let file = folder.path().join("explaind.toml");
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    let files = format!("tls = {{ certificate = \"{certificate}\", key = \"{key}\" }}");
    std::fs::write(&file, format!("[server]\nlisten = \"127.0.0.1:0\"\n{files}\n")).unwrap();
    let mut command = explaind();
    command.arg("--config").arg(&file);
    let mut served = Served::of(command);
    let address = served.url.trim_start_matches("https://").to_owned();
    let healthy = || run(&["healthcheck", "--address", &address]).status.success();
    assert!(healthy());
    // With TLS enabled by the configuration, and the port by the option.
    let config = file.to_str().unwrap();
    let as_configured = ["healthcheck", "--config", config, "--address", &address];
    assert!(run(&as_configured).status.success());
    signal(&served, "TERM");
    assert!(served.child.wait().unwrap().success());
    assert!(!healthy());
}
