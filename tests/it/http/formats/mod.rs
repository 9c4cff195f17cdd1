//! Response formats other than JSON, checked with strict parsers.

mod page;
mod picture;
mod tensors;
mod trust;

use axum::http::header;
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::{Reply, Running, start};

/// Texts that attack HTML and XML parsers or terminals.
const HOSTILE: [&str; 8] = [
    "</style><script>alert(1)</script> good",
    "</title></svg><img src=x onerror=alert(1)>",
    "]]> <!-- --> <?xml?> <![CDATA[ good",
    "\u{1b}[31mred\u{1b}[2J \u{9b}31m \u{7}",
    "safe\u{202e}txt.exe \u{2066}a\u{2069} \u{200f}b",
    "nul\0nul \u{1} \u{ffff} \u{fffe} \u{2028}x",
    "\"quoted\" 'single' &amp; &#x202e; {{x}}",
    "שלום عالم e\u{301}\u{301}\u{301} 👩‍👩‍👧 很好",
];

impl Running {
    /// POST /explain with an Accept header.
    pub async fn render(&self, accept: &str, body: Value) -> Reply {
        self.request("POST", "/explain", &[("accept", accept)], body).await
    }
}

/// Returns the body of a successful response with this content type.
fn text(reply: &Reply, content_type: &str) -> String {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.headers[header::CONTENT_TYPE], content_type);
    String::from_utf8(reply.body.clone()).expect("UTF-8")
}

/// Asserts that headers forbid scripts and that the text has no control or directional characters.
fn inert(reply: &Reply, text: &str) {
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    let policy = reply.headers["content-security-policy"].to_str().unwrap();
    assert_eq!(policy, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    for c in text.chars() {
        let directional = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!c.is_control() && !directional && c != '\u{ffff}', "{c:?}");
    }
}

#[tokio::test]
async fn the_accept_header_selects_the_format() {
    let service = start().await;
    let body = json!({"inputs": GREAT, "methods": ["saliency"]});
    for (accept, content_type) in [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("image/svg+xml;q=0.5, image/png", "image/svg+xml"),
        ("application/x-safetensors", "application/x-safetensors"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json;q=0.1, text/html;q=0", "application/json"),
    ] {
        let reply = service.render(accept, body.clone()).await;
        assert_eq!(reply.status, 200, "{accept}");
        assert_eq!(reply.headers[header::CONTENT_TYPE], content_type, "{accept}");
        assert!(reply.headers.get_all(header::VARY).iter().any(|value| value == "accept"));
    }
    let problem = service.render("image/png", body.clone()).await.problem(406, "not_acceptable");
    let detail = problem["detail"].as_str().unwrap();
    for format in ["application/json", "text/html", "image/svg+xml", "application/x-safetensors"] {
        assert!(detail.contains(format), "{detail}");
    }
    let html = [("accept", "text/html")];
    let predicted = service.request("POST", "/predict", &html, json!({"inputs": GREAT})).await;
    let problem = predicted.problem(406, "not_acceptable");
    assert!(problem["detail"].as_str().unwrap().ends_with("available: application/json"));
}

#[tokio::test]
async fn errors_of_the_request_are_problems_in_every_format() {
    let service = start().await;
    for accept in ["text/html", "image/svg+xml", "application/x-safetensors"] {
        let empty = service.render(accept, json!({"inputs": ""})).await;
        empty.problem(422, "input_empty");
        let unknown = service.render(accept, json!({"inputs": GREAT, "model": "gpt"})).await;
        unknown.problem(404, "model_not_found");
    }
}
