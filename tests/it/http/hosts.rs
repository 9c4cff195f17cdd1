//! Which hosts requests may be addressed to.

use serde_json::json;

use super::GREAT;
use crate::support::service::{patient, start_with};

#[tokio::test]
async fn a_page_whose_name_was_pointed_here_is_told_nothing() {
    let mut config = patient();
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
    for known in [evil, here] {
        assert_eq!(service.request("GET", "/models", &known, "").await.status, 200);
    }
}
