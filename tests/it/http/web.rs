//! The pages for browsers. What happens on them is tested in a browser, in tests/browser.

use axum::http::header;

use crate::support::service::{self, start, untimed};

/// Returns the paths that a page refers to.
fn references(page: &str) -> Vec<&str> {
    let quoted = page.split('"').filter(|part| part.starts_with("/web/"));
    quoted.collect()
}

#[tokio::test]
async fn pages_and_their_files_are_served() {
    let service = start().await;
    for path in ["/", "/docs"] {
        let page = service.get(path).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let text = String::from_utf8(page.body).unwrap();
        let files = references(&text);
        assert!(files.len() > 2, "{path}: {files:?}");
        for file in files {
            let reply = service.get(file).await;
            assert_eq!(reply.status, 200, "{file}");
            assert!(reply.headers.contains_key(header::ETAG), "{file}");
            let kind = reply.headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
            let expected = match file.rsplit('.').next() {
                Some("js") => "text/javascript",
                Some("css") => "text/css",
                _ => "image/svg+xml",
            };
            assert!(kind.starts_with(expected), "{file}: {kind}");
        }
    }
    service.get("/web/app/unknown.js").await.problem(404, "not_found");
    service.get("/web/vendor/..%2f..%2fCargo.toml").await.problem(404, "not_found");
}

#[tokio::test]
async fn the_playground_runs_only_its_own_scripts_and_styles() {
    let service = start().await;
    let page = service.get("/").await;
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(page.body).unwrap();
    for inline in ["<style", "style=", " on", "javascript:", "<script>"] {
        assert!(!text.contains(inline), "{inline}");
    }
    assert!(!text.contains("//"), "nothing is loaded from elsewhere");
}

#[tokio::test]
async fn the_playground_can_be_switched_off() {
    let mut config = untimed();
    config.server.playground = false;
    let service = service::start_with(&config).await;
    let page = service.request("GET", "/", &[("accept", "text/html,*/*;q=0.8")], "").await;
    let problem = page.problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("server.playground"));
    for accept in ["*/*", "application/json"] {
        let alive = service.request("GET", "/", &[("accept", accept)], "").await;
        assert_eq!(alive.json(), serde_json::json!({"status": "alive"}));
    }
    assert_eq!(service.get("/docs").await.status, 200);
}
