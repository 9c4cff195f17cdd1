//! More connections than there may be, and probes beside them.

use std::io::Write;
use std::time::Duration;

use explaind::config::{Config, Limits};
use explaind::http::{self, Connections};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use super::{
    ALIVE, ALIVE_SEEN, LIVE, connect, listen, post, read_to_end, read_until, say, until_done,
};
use crate::support::service::patient;
use crate::support::{Held, StoppedClock};

fn two() -> Config {
    let limits = Limits { connections: 2, idle_ms: 3_600_000, ..patient().limits };
    Config { limits, ..patient() }
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
    let held = Held::after(0, "harbor");
    let body = post(&serde_json::json!({"inputs": "a harbor"}).to_string());
    let busy = [(); 2].map(|()| tokio::spawn(say(running.address, body.clone())));
    // A pass holds them both up, or the second waits behind it.
    held.reached().await;
    let clock = StoppedClock::new();
    let waiting = tokio::spawn(say(running.address, LIVE));
    for _ in 0..100 {
        clock.advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "there is no room for it");
    held.open();
    for busy in busy {
        assert!(busy.await.unwrap().starts_with("HTTP/1.1 200 "));
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
    let held = Held::after(0, "valley");
    let body = post(&serde_json::json!({"inputs": "a valley"}).to_string());
    let busy = [(); 2].map(|()| tokio::spawn(say(running.address, body.clone())));
    held.reached().await;
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
    held.open();
    for busy in busy {
        busy.await.unwrap();
    }
    probes.abort();
}
