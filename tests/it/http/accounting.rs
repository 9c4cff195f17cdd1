//! Every request has one log line and is counted once.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use explaind::config::keys::digest;
use explaind::config::{AdminKey, Config, Server};
use explaind::model::faults::{Fault, heal, inject};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{Running, start, start_with, untimed};
use crate::support::{Held, PausedClock, log, wait_until_async};

const LINES: (&str, &str) = ("accept", "application/x-ndjson");

fn request(id: &str, method: &str, path: &str, header: (&str, &str), body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("x-request-id", id)
        .header(header.0, header.1)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// Returns the log lines for the end of a request.
fn ends(id: &str) -> Vec<Value> {
    let lines = log::of(id).into_iter();
    lines.filter(|line| line["fields"]["message"] == "request ended").collect()
}

/// Returns the only such line.
fn end(id: &str) -> Value {
    let [line] = &ends(id)[..] else { panic!("{id} has not one line: {:?}", ends(id)) };
    line.clone()
}

fn outcome(id: &str) -> String {
    end(id)["fields"]["outcome"].as_str().unwrap().to_owned()
}

/// Method, path, header and body; expected status, route and outcome.
type Case<'a> = (&'a str, &'a str, (&'a str, &'a str), &'a str, u16, &'a str, &'a str);

#[tokio::test]
async fn each_request_has_one_log_line_with_its_outcome() {
    log::keep();
    let service = start().await;
    let good = json!({"inputs": GREAT, "methods": ["saliency"]}).to_string();
    let none = ("accept", "*/*");
    let large = json!({"inputs": "a".repeat(2 << 20)}).to_string();
    let long = format!("/{}", "a".repeat(9_000));
    let cases: [Case; 15] = [
        ("POST", "/explain", none, &good, 200, "/explain", "ok"),
        ("POST", "/explain", LINES, &good, 200, "/explain", "streamed"),
        ("POST", "/explain", LINES, "{}", 422, "/explain", "client_error"),
        ("POST", "/explain", none, "{", 400, "/explain", "malformed"),
        ("POST", "/explain", none, &large, 413, "/explain", "too_large"),
        ("POST", "/explain", ("accept", "image/png"), &good, 406, "/explain", "client_error"),
        ("GET", "/explain", none, "", 405, "/explain", "client_error"),
        ("GET", "/nowhere", none, "", 404, "unmatched", "client_error"),
        ("GET", &long, none, "", 414, "unmatched", "too_large"),
        ("HEAD", "/models", none, "", 200, "/models", "ok"),
        ("HEAD", "/explain", none, "", 405, "/explain", "client_error"),
        ("OPTIONS", "/explain", none, "", 204, "/explain", "ok"),
        ("OPTIONS", "/nowhere", none, "", 404, "unmatched", "client_error"),
        ("GET", "/livez", ("accept-encoding", "gzip"), "", 200, "/livez", "ok"),
        ("BREW", "/livez", none, "", 405, "/livez", "client_error"),
    ];
    for (number, (method, path, header, body, status, route, outcome)) in
        cases.into_iter().enumerate()
    {
        let id = format!("ends-{number}");
        let reply = service.send(request(&id, method, path, header, body)).await;
        assert_eq!(reply.status, status, "{method} {route}");
        let line = end(&id);
        assert_eq!(line["fields"]["status"], status, "{line}");
        assert_eq!(line["fields"]["outcome"], outcome, "{line}");
        assert_eq!(line["span"]["route"], route, "{line}");
        let logged = if method == "BREW" { "_OTHER" } else { method };
        assert_eq!(line["span"]["method"], logged, "{line}");
        assert!(line["fields"]["ms"].as_f64().unwrap() >= 0., "{line}");
    }
}

#[tokio::test]
async fn requests_rejected_by_admission_have_a_line() {
    log::keep();
    let mut config = untimed();
    config.engine.queued_work = 2_000;
    let service = start_with(&config).await;
    let body =
        json!({"inputs": GREAT, "methods": [{"name": "integrated_gradients", "n_steps": 50}]});
    let ask = async |id: &str| {
        let request = request(id, "POST", "/explain", ("accept", "*/*"), &body.to_string());
        service.send(request).await.status.as_u16()
    };
    let demand = explaind::engine::Demand {
        cost: 1_900,
        work: 1,
        time: std::time::Duration::ZERO,
        caller: "*".into(),
    };
    let admitted = service.service.explainer.engine.admission.admit(demand).unwrap();
    assert_eq!((ask("room").await, outcome("room")), (429, "overloaded".to_owned()));
    drop(admitted);
    service.service.drain();
    assert_eq!((ask("drain").await, outcome("drain")), (503, "overloaded".to_owned()));
}

#[tokio::test]
async fn late_and_failed_requests_have_a_line() {
    log::keep();
    let service = start().await;
    let any = ("accept", "*/*");
    let body = json!({"inputs": "a forest of trees", "methods": ["saliency"]}).to_string();
    inject("forest", Fault::Error);
    let failed = service.send(request("failed", "POST", "/explain", any, &body)).await;
    heal("forest");
    failed.problem(500, "internal");
    assert_eq!(outcome("failed"), "server_error");
    let clock = PausedClock::new();
    let held = Held::after(0, "harbor");
    let body = json!({"inputs": "a harbor", "methods": ["saliency"], "budget_ms": 1_000});
    let request = service.send(request("late", "POST", "/explain", any, &body.to_string()));
    let late = held.advance_while_held(&clock, Duration::from_secs(1), request).await;
    late.problem(504, "deadline_exceeded");
    assert_eq!(outcome("late"), "deadline");
}

/// Returns the response of POST /explain with its body unread.
async fn unread(service: &Running, id: &str, header: (&str, &str)) -> Response<Body> {
    let body = json!({"inputs": [GREAT, "So so."], "methods": ["saliency"]}).to_string();
    service.answer(request(id, "POST", "/explain", header, &body)).await
}

#[tokio::test]
async fn the_line_is_logged_when_the_body_ends() {
    log::keep();
    let service = start().await;
    let answer = unread(&service, "lines-to-the-end", LINES).await;
    assert!(ends("lines-to-the-end").is_empty(), "nothing has been sent yet");
    answer.into_body().collect().await.unwrap();
    assert_eq!(outcome("lines-to-the-end"), "streamed");
    let mut answer = unread(&service, "lines-left", LINES).await;
    answer.body_mut().frame().await.unwrap().unwrap();
    assert!(ends("lines-left").is_empty(), "the body has not ended");
    drop(answer);
    assert_eq!(outcome("lines-left"), "aborted");
    drop(unread(&service, "whole-left", ("accept", "*/*")).await);
    assert_eq!(outcome("whole-left"), "aborted");
    assert_eq!(end("whole-left")["fields"]["status"], 200);
}

#[tokio::test]
async fn a_disconnect_before_the_response_has_a_line_without_status() {
    log::keep();
    let service = start().await;
    let held = Held::after(0, "desert");
    let body = json!({"inputs": "a desert of sand"}).to_string();
    let request = service.send(request("left", "POST", "/explain", ("accept", "*/*"), &body));
    tokio::select! {
        reply = request => panic!("unexpected response: {}", reply.status),
        () = held.reached() => {}
    }
    assert_eq!(outcome("left"), "cancelled");
    assert_eq!(end("left")["fields"].get("status"), None);
    assert_eq!(end("left")["span"]["model"], "sentiment-en");
}

const ADMIN: &str = "an-admin-key-of-some-length";

async fn keyed() -> Running {
    let keys = vec![format!("app:{}", digest("a-key-of-some-length")).try_into().unwrap()];
    let admin_key = Some(AdminKey::new(ADMIN).unwrap());
    start_with(&Config { server: Server { keys, admin_key, ..Server::default() }, ..untimed() })
        .await
}

#[tokio::test]
async fn lines_name_the_key_and_the_model() {
    log::keep();
    let service = keyed().await;
    let app = ("authorization", "Bearer a-key-of-some-length");
    let body = json!({"inputs": GREAT, "model": "auto"}).to_string();
    service.send(request("named", "POST", "/predict", app, &body)).await;
    let line = end("named");
    assert_eq!(
        (&line["span"]["key"], &line["span"]["model"]),
        (&json!("app"), &json!("sentiment-en"))
    );
    let wrong = ("authorization", "Bearer another-key");
    service.send(request("nameless", "POST", "/predict", wrong, &body)).await;
    let line = end("nameless");
    assert_eq!((line["span"].get("key"), line["span"].get("model")), (None, None));
    assert_eq!(line["fields"]["outcome"], "client_error");
}

#[tokio::test]
async fn model_changes_are_audited() {
    log::keep();
    let service = keyed().await;
    let admin = format!("Bearer {ADMIN}");
    let audit = async |id: &str, method: &str, path: &str, key: &str, body: &str| {
        service.send(request(id, method, path, ("authorization", key), body)).await;
        let lines = log::of(id).into_iter();
        let lines: Vec<Value> = lines.filter(|line| line["target"] == "explaind::audit").collect();
        let [line] = &lines[..] else { panic!("{id} has not one line: {lines:?}") };
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        let fields = &line["fields"];
        [&fields["action"], &fields["id"], &line["span"]["key"], &fields["outcome"]].map(text)
    };
    let source = json!({"source": "builtin:sentiment-en"}).to_string();
    let done = audit("audit-load", "PUT", "/models/second", &admin, &source).await;
    assert_eq!(done, ["load", "second", "*admin", "ok"]);
    let done = audit("audit-bad", "PUT", "/models/a%20b", &admin, &source).await;
    assert_eq!(done, ["load", "none", "*admin", "client_error"]);
    let app = "Bearer a-key-of-some-length";
    let done = audit("audit-app", "DELETE", "/models/sentiment-zh", app, "").await;
    assert_eq!(done, ["unload", "sentiment-zh", "app", "client_error"]);
    let done = audit("audit-none", "DELETE", "/models/sentiment-zh", "Bearer nobody", "").await;
    assert_eq!(done, ["unload", "sentiment-zh", "none", "client_error"]);
    let done = audit("audit-unload", "DELETE", "/models/sentiment-zh", &admin, "").await;
    assert_eq!(done, ["unload", "sentiment-zh", "*admin", "ok"]);
    // Reading is not audited.
    service.send(request("look", "GET", "/models/second", ("authorization", &admin), "")).await;
    assert!(log::of("look").iter().all(|line| line["target"] != "explaind::audit"));
}

#[tokio::test]
async fn durations_have_the_names_and_buckets_of_open_telemetry() {
    let service = start().await;
    let text = || async { String::from_utf8(service.get("/metrics").await.body).unwrap() };
    let name = "http_server_request_duration_seconds";
    // The first request to /metrics is counted in the second response.
    text().await;
    let text = text().await;
    let series = |rest: &str| text.lines().any(|line| line.starts_with(&format!("{name}{rest}")));
    let labels =
        "http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"/metrics\"";
    assert!(series(&format!("_count{{{labels}}} ")), "{text}");
    for bound in [
        "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
        "7.5", "10", "+Inf",
    ] {
        assert!(series(&format!("_bucket{{{labels},le=\"{bound}\"}} ")), "{bound}");
    }
    let buckets =
        text.lines().filter(|line| line.starts_with(&format!("{name}_bucket{{{labels},")));
    assert_eq!(buckets.count(), 15);
    service.get("/nowhere").await;
    let unmatched = "_count{http_request_method=\"GET\",http_response_status_code=\"404\"} ";
    let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
    assert!(text.contains(&format!("{name}{unmatched}")));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn process_metrics_are_plausible() {
    let service = start().await;
    let value = async |name: &str| -> f64 {
        let text = String::from_utf8(service.get("/metrics").await.body).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: f64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    let metric = value("process_resident_memory_bytes").await / 1024.;
    assert!((resident / 4.0..resident * 4.0).contains(&metric), "{metric} and {resident} KiB");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let started = value("process_start_time_seconds").await;
    assert!(started <= now + 1. && started > now - 86_400., "{started} of {now}");
    let before = value("process_cpu_seconds_total").await;
    let increased = async || {
        for n in 0..100_000_u64 {
            std::hint::black_box(n);
        }
        value("process_cpu_seconds_total").await > before
    };
    wait_until_async(increased).await;
    let open = value("process_open_fds").await;
    assert!(open >= 3. && open <= value("process_max_fds").await);
}
