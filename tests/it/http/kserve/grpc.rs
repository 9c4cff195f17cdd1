//! The Open Inference Protocol over gRPC, by bytes. A generated client calls it in
//! scripts/kserve-test.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use explaind::config::{Config, NamedKey, keys};
use http_body_util::BodyExt;

use crate::support::service::{Running, start, start_with, untimed};

/// The status, message and body of a call.
async fn call(service: &Running, name: &str, body: Vec<u8>) -> (String, String, Vec<u8>) {
    let path = format!("/inference.GRPCInferenceService/{name}");
    let request = Request::post(path).header("content-type", "application/grpc");
    let response = service.answer(request.body(Body::from(body)).unwrap()).await;
    let (parts, body) = response.into_parts();
    assert_eq!(parts.status, 200);
    assert_eq!(parts.headers["content-type"], "application/grpc");
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let field = |name: &str| {
        let of = |fields: &HeaderMap| Some(fields.get(name)?.to_str().unwrap().to_owned());
        of(&trailers).or_else(|| of(&parts.headers)).unwrap_or_default()
    };
    (field("grpc-status"), field("grpc-message"), body.to_bytes().to_vec())
}

/// A message in its frame.
fn frame(message: &[u8]) -> Vec<u8> {
    [&[0], (message.len() as u32).to_be_bytes().as_slice(), message].concat()
}

/// A field with bytes, by its number.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 128);
    [&[number << 3 | 2, length], bytes].concat()
}

#[tokio::test]
async fn calls_answer_with_messages_and_trailers() {
    let service = start().await;
    for name in ["ServerLive", "ServerReady"] {
        let (status, _, body) = call(&service, name, frame(&[])).await;
        assert_eq!((status.as_str(), body), ("0", frame(&[8, 1])), "{name}");
    }
    let model = field(1, b"sentiment-en");
    let (_, _, body) = call(&service, "ModelReady", frame(&model)).await;
    assert_eq!(body, frame(&[8, 1]));
    service.service.retire();
    let (status, _, body) = call(&service, "ModelReady", frame(&model)).await;
    assert_eq!((status.as_str(), body), ("0", frame(&[])), "false is the default");
}

#[tokio::test]
async fn failures_have_a_status_of_grpc() {
    let service = start().await;
    let infer = |tensor: &[u8]| frame(&[field(1, b"sentiment-en"), field(5, tensor)].concat());
    let text = |bytes: &[u8]| {
        [field(1, b"text"), field(2, b"BYTES"), field(3, &[1]), field(5, &field(8, bytes))].concat()
    };
    for (name, body, status, message) in [
        ("ModelReady", frame(&field(1, b"other")), "5", "no model is called"),
        (
            "ModelReady",
            frame(&[field(1, b"sentiment-en"), field(2, b"1")].concat()),
            "5",
            "version",
        ),
        ("ModelStreamInfer", frame(&[]), "12", "nothing at this path"),
        ("ServerLive", Vec::new(), "3", "one message"),
        ("ServerLive", vec![0, 0, 0, 0, 9], "3", "one message"),
        ("ServerLive", vec![0, 0xff, 0xff, 0xff, 0xff], "3", "one message"),
        ("ServerLive", vec![1, 0, 0, 0, 0], "12", "compressed"),
        ("ModelInfer", frame(&[0xff; 7]), "3", "cannot be read"),
        ("ModelInfer", infer(&text(&[0xff])), "3", "not UTF-8 (at /inputs/0/data/0)"),
        ("ModelInfer", infer(&text(b" ")), "3", "(at /inputs/0/data/0)"),
        (
            "ModelInfer",
            infer(
                &[
                    field(1, b"text"),
                    vec![0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                ]
                .concat(),
            ),
            "3",
            "negative",
        ),
        (
            "ModelInfer",
            frame(&[field(1, b"sentiment-en"), field(7, b"x")].concat()),
            "3",
            "raw contents",
        ),
    ] {
        let (found, detail, body) = call(&service, name, body).await;
        assert_eq!((found.as_str(), body.len()), (status, 0), "{name}: {detail}");
        assert!(detail.contains(message), "{detail}");
    }
    let (status, _, body) = call(&service, "ModelInfer", infer(&text(b"A great film."))).await;
    assert_eq!(status, "0");
    assert!(body.windows(8).any(|bytes| bytes == b"POSITIVE"));
}

#[tokio::test]
async fn keys_are_needed_except_for_health() {
    let mut config: Config = untimed();
    let key = format!("a:{}", keys::digest("a-secret-of-some-length"));
    config.server.keys = vec![NamedKey::try_from(key).unwrap()];
    let service = start_with(&config).await;
    assert_eq!(call(&service, "ServerLive", frame(&[])).await.0, "0");
    for name in ["ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"] {
        assert_eq!(call(&service, name, frame(&[])).await.0, "16", "{name}");
    }
}
