//! The maximum number of connections, and the separate listener for probes.

use std::io::Write;
use std::time::Duration;

use explaind::config::{Config, Limits};
use explaind::http::{self, Connections};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    ALIVE, ALIVE_END, LIVE, Listening, connect, exchange, listen, post, read_to_end, read_until,
    until_done,
};
use crate::support::service::untimed;
use crate::support::{Held, PausedClock};

/// Returns a configuration with two connections and two concurrent passes.
fn two_connections() -> Config {
    let mut config = untimed();
    config.limits = Limits { connections: 2, idle_ms: 3_600_000, ..config.limits };
    config.engine.threads = 2;
    config
}

/// Opens connections whose requests run until their held passes are released.
async fn busy(running: &Listening, words: [&'static str; 2]) -> [(Held, JoinHandle<String>); 2] {
    let [first, second] = words.map(|word| {
        let body = post(&serde_json::json!({"inputs": word}).to_string());
        (Held::after(0, word), body)
    });
    let mut all = Vec::new();
    for (held, body) in [first, second] {
        let answer = tokio::spawn(exchange(running.address, body));
        held.reached().await;
        all.push((held, answer));
    }
    all.try_into().ok().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_idle_connection_is_closed() {
    let running = listen(two_connections()).await;
    let address = running.address;
    let alive = move || {
        let mut stream = connect(address);
        stream.write_all(ALIVE.as_bytes()).unwrap();
        read_until(&mut stream, ALIVE_END);
        stream
    };
    spawn_blocking(move || {
        let (mut first, mut second) = (alive(), alive());
        let mut third = alive();
        assert_eq!(read_to_end(&mut first), "", "closed without more data");
        for stream in [&mut second, &mut third] {
            stream.write_all(ALIVE.as_bytes()).unwrap();
            read_until(stream, ALIVE_END);
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn busy_connections_are_not_closed() {
    let running = listen(two_connections()).await;
    let busy = busy(&running, ["harbor", "island"]).await;
    let clock = PausedClock::new();
    let waiting = tokio::spawn(exchange(running.address, LIVE));
    for _ in 0..100 {
        clock.advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "no connection is free");
    for (held, answer) in busy {
        held.open();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    until_done(&clock, &waiting).await;
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_are_closed() {
    let running = listen(two_connections()).await;
    let address = running.address;
    let silent: Vec<_> = (0..2).map(|_| connect(address)).collect();
    let live = exchange(address, LIVE).await;
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_have_separate_connections() {
    let running = listen(two_connections()).await;
    let busy = busy(&running, ["valley", "desert"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let probes = Connections::new(listener, None, &two_connections().limits);
    let router = http::probes(running.service.clone());
    let probes = tokio::spawn(probes.serve(router, std::future::pending()));
    assert!(exchange(address, LIVE).await.starts_with("HTTP/1.1 200 "));
    let metrics = exchange(address, LIVE.replace("livez", "metrics")).await;
    assert!(metrics.contains("explaind_queue_requests "), "{metrics}");
    for path in ["/explain", "/models", "/openapi.json"] {
        let other = exchange(address, LIVE.replace("/livez", path)).await;
        assert!(other.starts_with("HTTP/1.1 404 "), "{path}: {other}");
    }
    running.service.drain();
    let ready = exchange(address, LIVE.replace("livez", "readyz")).await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("\"draining\""), "{ready}");
    for (held, answer) in busy {
        held.open();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    probes.abort();
}
