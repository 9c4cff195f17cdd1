//! Validation of the Host header.

use serde_json::json;

use super::GREAT;
use crate::support::service::{start_with, untimed};

#[tokio::test]
async fn requests_to_other_hosts_are_rejected() {
    let mut config = untimed();
    let service = start_with(&config).await;
    let evil = [("host", "evil.example")];
    let ask = json!({"inputs": GREAT});
    let reply = service.request("POST", "/explain", &evil, &ask).await;
    let problem = reply.problem(421, "misdirected_request");
    assert!(problem["detail"].as_str().unwrap().contains("server.hosts"), "{problem}");
    for path in ["/models", "/metrics", "/livez", "/openapi.json", "/nowhere"] {
        let reply = service.request("GET", path, &evil, "").await;
        reply.problem(421, "misdirected_request");
    }
    let here = [("host", "127.0.0.1:8080")];
    assert_eq!(service.request("GET", "/models", &here, "").await.status, 200);
    config.server.hosts = vec!["evil.example".to_owned()];
    let service = start_with(&config).await;
    for host in [evil, here] {
        assert_eq!(service.request("GET", "/models", &host, "").await.status, 200);
    }
}
