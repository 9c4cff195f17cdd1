//! Attention of the kinds that combine heads: norms of blocks, ALTI, value zeroing.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::GREAT;
use crate::support::service::start;

const KINDS: [&str; 3] = ["block_norm", "alti", "value_zeroing"];

fn body(text: &str, kind: &str) -> Value {
    json!({"inputs": text, "methods": [], "attention": {"kind": kind, "layers": "all"}})
}

#[tokio::test]
async fn heads_cannot_be_chosen() {
    let service = start().await;
    for kind in KINDS {
        let attention = json!({"kind": kind, "heads": [0]});
        let body = json!({"inputs": GREAT, "attention": attention});
        let reply = service.post("/explain", body).await;
        let problem = reply.problem(422, "invalid_field");
        assert_eq!(problem["pointer"], "/attention/heads");
        assert!(problem["detail"].as_str().unwrap().starts_with(kind), "{problem}");
    }
}

#[tokio::test]
async fn shares_add_up_to_one() {
    let service = start().await;
    for kind in ["alti", "value_zeroing"] {
        let answer = service.explain(body(GREAT, kind)).await;
        let attention = &answer["results"][0]["attention"];
        assert_eq!(attention["kind"], kind);
        let layers = attention["weights"].as_array().unwrap();
        assert_eq!(layers.len(), 4);
        for row in layers.iter().flat_map(|heads| heads[0].as_array().unwrap()) {
            let row: Vec<f64> =
                row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
            assert!(row.iter().all(|share| (0. ..=1.).contains(share)), "{kind}: {row:?}");
            assert!((row.iter().sum::<f64>() - 1.).abs() < 1e-5, "{kind}: {row:?}");
        }
    }
}

#[tokio::test]
async fn estimates_cover_the_rows() {
    let service = start().await;
    for kind in KINDS {
        let body = body(GREAT, kind);
        let price = service.post("/estimate", &body).await.json();
        let answer = service.explain(body).await;
        let (priced, used) = (&price["forward_rows"], &answer["usage"]["forward_rows"]);
        assert!(priced.as_u64() >= used.as_u64(), "{kind}: {priced} {used}");
        let tokens = answer["results"][0]["tokens"].as_array().unwrap().len();
        if kind == "value_zeroing" {
            assert_eq!(
                *used,
                1 + 4 * (1 + tokens),
                "the first row, and per layer one and one per token"
            );
            assert_eq!(
                price["cost"],
                tokens * 4 * (1 + 4 + tokens),
                "rows through one of 4 layers"
            );
        }
    }
}

/// Vectors of heads are computed for a map of norms too.
#[tokio::test]
async fn norms_are_priced() {
    let service = start().await;
    let text = "so very good ".repeat(40);
    let price = async |more: Value| {
        let mut body = json!({"inputs": text, "methods": [], "attention": false});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let price = service.post("/estimate", &body).await.json();
        (price["cost"].as_u64().unwrap(), price["forward_rows"].as_u64().unwrap())
    };
    let attention =
        |kind: &str, layers: Value| json!({"attention": {"kind": kind, "layers": layers}});
    let all = json!("all");
    let weights = price(attention("weights", all.clone())).await;
    let norms = price(attention("norm", all.clone())).await;
    let mixing = price(attention("block_norm", all)).await;
    let one = price(attention("norm", json!([0]))).await;
    assert_eq!(norms.1, weights.1, "norms take no rows of their own");
    assert_eq!(norms.0 - weights.0, 4 * (one.0 - weights.0), "one map per layer");
    // The vectors alone are products of width × width for every token and head.
    let tokens = weights.0 / 4;
    assert!(norms.0 - weights.0 > tokens, "{norms:?} {weights:?}");
    assert!(mixing.0 > norms.0, "sums of vectors cost more than norms: {mixing:?} {norms:?}");
    let method = async |layer: &str| {
        price(json!({"methods": [{"name": "attention_norm", "layer": layer}]})).await.0
    };
    let (last, mean) = (method("last").await, method("mean").await);
    assert_eq!(mean - last, 3 * (one.0 - weights.0), "three more maps");
}

#[tokio::test]
async fn what_shares_the_batch_changes_nothing() {
    let service = start().await;
    let texts = [GREAT, "dull", "The plot is not good, but the music of this film is wonderful."];
    for kind in KINDS {
        let mut alone = Vec::new();
        for text in texts {
            alone.push(service.explain(body(text, kind)).await["results"].clone());
        }
        let together = join_all(texts.map(|text| service.explain(body(text, kind)))).await;
        for (one, other) in together.iter().zip(&alone) {
            assert_eq!(one["results"], *other, "{kind}");
        }
    }
}

/// More tokens than one round has rows.
#[tokio::test]
async fn rounds_are_put_together() {
    let service = start().await;
    let text = "so very good ".repeat(40);
    let answer = service.explain(body(&text, "value_zeroing")).await;
    let weights = answer["results"][0]["attention"]["weights"].as_array().unwrap();
    let tokens = answer["results"][0]["tokens"].as_array().unwrap().len();
    assert!(tokens > 110);
    for row in weights.iter().flat_map(|heads| heads[0].as_array().unwrap()) {
        let row = row.as_array().unwrap();
        assert_eq!(row.len(), tokens);
        assert!((row.iter().map(|x| x.as_f64().unwrap()).sum::<f64>() - 1.).abs() < 1e-4);
    }
}
