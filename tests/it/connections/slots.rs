//! More connections than there may be, and probes beside them.

use std::io::Write;
use std::time::Duration;

use explaind::config::{Config, Limits};
use explaind::http::{self, Connections};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    ALIVE, ALIVE_SEEN, LIVE, Listening, connect, listen, post, read_to_end, read_until, say,
    until_done,
};
use crate::support::service::patient;
use crate::support::{Held, StoppedClock};

/// Two connections, and two passes at a time.
fn two() -> Config {
    let mut config = patient();
    config.limits = Limits { connections: 2, idle_ms: 3_600_000, ..config.limits };
    config.engine.threads = 2;
    config
}

/// Connections whose requests are at work until these passes are let go.
async fn busy(running: &Listening, words: [&'static str; 2]) -> [(Held, JoinHandle<String>); 2] {
    let [first, second] = words.map(|word| {
        let body = post(&serde_json::json!({"inputs": word}).to_string());
        (Held::after(0, word), body)
    });
    let mut all = Vec::new();
    for (held, body) in [first, second] {
        let answer = tokio::spawn(say(running.address, body));
        held.reached().await;
        all.push((held, answer));
    }
    all.try_into().ok().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_idle_connection_gives_way() {
    let running = listen(two()).await;
    let address = running.address;
    let alive = move || {
        let mut stream = connect(address);
        stream.write_all(ALIVE.as_bytes()).unwrap();
        read_until(&mut stream, ALIVE_SEEN);
        stream
    };
    spawn_blocking(move || {
        let (mut first, mut second) = (alive(), alive());
        let mut third = alive();
        assert_eq!(read_to_end(&mut first), "", "closed, and not in the middle of anything");
        for stream in [&mut second, &mut third] {
            stream.write_all(ALIVE.as_bytes()).unwrap();
            read_until(stream, ALIVE_SEEN);
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn busy_connections_do_not_give_way() {
    let running = listen(two()).await;
    let busy = busy(&running, ["harbor", "island"]).await;
    let clock = StoppedClock::new();
    let waiting = tokio::spawn(say(running.address, LIVE));
    for _ in 0..100 {
        clock.advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "there is no room for it");
    for (held, answer) in busy {
        held.open();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    until_done(&clock, &waiting).await;
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_asked_gives_way_too() {
    let running = listen(two()).await;
    let address = running.address;
    let silent: Vec<_> = (0..2).map(|_| connect(address)).collect();
    let live = say(address, LIVE).await;
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_have_connections_of_their_own() {
    let running = listen(two()).await;
    let busy = busy(&running, ["valley", "desert"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let probes = Connections::new(listener, None, &two().limits);
    let router = http::probes(running.service.clone());
    let probes = tokio::spawn(probes.serve(router, std::future::pending()));
    assert!(say(address, LIVE).await.starts_with("HTTP/1.1 200 "));
    let metrics = say(address, LIVE.replace("livez", "metrics")).await;
    assert!(metrics.contains("explaind_queue_requests "), "{metrics}");
    for path in ["/explain", "/models", "/openapi.json"] {
        let other = say(address, LIVE.replace("/livez", path)).await;
        assert!(other.starts_with("HTTP/1.1 404 "), "{path}: {other}");
    }
    running.service.drain();
    let ready = say(address, LIVE.replace("livez", "readyz")).await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("\"draining\""), "{ready}");
    for (held, answer) in busy {
        held.open();
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    probes.abort();
}
