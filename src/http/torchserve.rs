//! Routes for clients of TorchServe. Requests and responses have the form of its example handler
//! for transformers (examples/Huggingface_Transformers), and the numbers are the same: integrated
//! gradients of the embeddings in 50 steps, divided by their Euclidean norm.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::body::{self, RawBody};
use super::caller::Caller;
use super::openapi::{NotReady, WorkProblems};
use super::problem::Failure;
use super::shapes::PlainOr;
use super::target::{ClassShape, target};
use super::timeout::{RequestTimeout, timeout};
use super::{Service, extract, question, respond};
use crate::attribution::{Granularity, Normalize, find};
use crate::error::{Code, Error, Result};
use crate::explanation::{Explained, Predicted, Question, Target};
use crate::heads::Task;
use crate::render::json::number;
use crate::text::Input;

/// The text to explain. Instead of this object, the body may be the text itself.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TorchServeRequest {
    /// The text. For question answering, it is the question, and may be called `question`.
    #[serde(alias = "question")]
    text: String,
    /// The second text. For question answering, it contains the answer, and may be called
    /// `context`.
    #[serde(alias = "context")]
    text_pair: Option<String>,
    /// Index or label of the class to explain; the predicted one by default.
    #[schema(inline)]
    target: Option<ClassShape>,
    /// Truncates a text over the model's limit instead of rejecting it.
    truncate: Option<bool>,
}

/// Importances of the tokens.
#[derive(Serialize, ToSchema)]
pub struct TorchServeExplanation {
    /// The tokens, including special ones.
    words: Vec<String>,
    /// One per token, with a Euclidean norm of 1.
    importances: Vec<f32>,
    /// The convergence delta of the importances, before they were divided by their norm.
    delta: f32,
}

/// The state of the service.
#[derive(Serialize, ToSchema)]
pub struct Ping {
    #[schema(example = "Healthy")]
    status: &'static str,
}

/// Explain a text as TorchServe's handler for transformers does.
///
/// For text classification. POST /explain has more methods, and explains models of other tasks.
#[utoipa::path(
    post, path = "/explanations/{id}", tag = "torchserve",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en"), RequestTimeout),
    request_body(content(
        (TorchServeRequest = "application/json", example = json!({"text": "This movie is really great.", "target": 1})),
        (String = "text/plain", example = json!("This movie is really great.")),
    )),
    responses((status = 200, description = "The importance of each token", body = TorchServeExplanation), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn explanations(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Json<TorchServeExplanation>, Failure> {
    let explained = answer(service, caller, id, headers, body, to_explain).await?;
    Ok(Json(explanation(explained)?))
}

/// Predict as TorchServe's handler for transformers does.
///
/// Text classification: the label. Question answering: the answer. Token classification: a list of
/// `[token, label]`.
#[utoipa::path(
    post, path = "/predictions/{id}", tag = "torchserve",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en"), RequestTimeout),
    request_body(content(
        (TorchServeRequest = "application/json", example = json!({"text": "This movie is really great."})),
        (String = "text/plain", example = json!("This movie is really great.")),
    )),
    responses(
        (status = 200, description = "The prediction", content((String = "text/plain"), (Vec<[String; 2]> = "application/json"))),
        WorkProblems,
    ),
    security(("key" = []), ()),
)]
pub async fn predictions(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, Failure> {
    let explained = answer(service, caller, id, headers, body, Ok).await?;
    Ok(prediction(explained)?)
}

/// Whether requests can be answered, as TorchServe reports it.
///
/// The same check as GET /readyz.
#[utoipa::path(
    get, path = "/ping", tag = "torchserve",
    responses((status = 200, description = "The service is ready", body = Ping), NotReady),
)]
pub async fn ping(State(service): State<Service>) -> Result<Json<Ping>, Failure> {
    service.ready().await?;
    Ok(Json(Ping { status: "Healthy" }))
}

/// Answers the question that `complete` makes of a request for predictions.
async fn answer(
    service: Service,
    caller: Caller,
    id: String,
    headers: HeaderMap,
    RawBody(bytes, permit): RawBody,
    complete: fn(Question) -> Result<Question>,
) -> Result<Explained, Failure> {
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let request = read(&headers, bytes)?;
        let model = service.explainer.pool.get(Some(&id))?;
        let input = Input {
            text: request.text,
            text_pair: request.text_pair,
            pointer: "/text".to_owned(),
            ..Input::default()
        };
        let mut question = complete(Question {
            target: target(request.target.map(PlainOr::Plain))?,
            truncate: question::truncate(request.truncate),
            ..Question::prediction(model, vec![input])
        })?;
        extract::belongs_to(&mut question, &caller, timeout(&headers)?);
        let mut answer = respond::answer(&service, question).await?;
        // If the only input fails, the whole answer does.
        let (_, result) = answer.results.pop().ok_or_else(|| Error::internal("no result"))?;
        Ok(result?)
    })
    .await
}

/// Reads a request: JSON, or the text itself. `curl -T` sends no media type, so that JSON is
/// recognised by its first character.
fn read(headers: &HeaderMap, bytes: Vec<u8>) -> Result<TorchServeRequest> {
    let is_object = || bytes.trim_ascii_start().starts_with(b"{");
    match body::media_type(headers).as_str() {
        "application/json" => body::parse(&bytes),
        "application/x-www-form-urlencoded" | "multipart/form-data" => {
            let detail = "forms are not supported; send JSON with Content-Type: application/json, \
                          or the text with curl -T";
            Err(Error::new(Code::UnsupportedMediaType, detail))
        }
        kind if kind != "text/plain" && is_object() => body::parse(&bytes),
        _ => {
            let not_text = |_| Error::new(Code::BadRequest, "the text is not UTF-8");
            let text = String::from_utf8(bytes).map_err(not_text)?;
            Ok(TorchServeRequest { text, ..TorchServeRequest::default() })
        }
    }
}

/// Adds the method of TorchServe's handler to a question.
fn to_explain(question: Question) -> Result<Question> {
    if question.model.task != Task::TextClassification {
        return Err(other_task("/explain"));
    }
    if question.target == Target::All {
        return Err(Error::field("/target", "the target must be one class"));
    }
    let method = find("integrated_gradients")?;
    let options = json!({
        "layer": "embeddings", "baseline": "pad", "n_steps": 50, "quadrature": "gausslegendre",
    });
    let Value::Object(options) = options else { return Err(Error::internal("not an object")) };
    Ok(Question {
        methods: vec![(method, method.options(&options)?)],
        granularity: vec![Granularity::Token],
        normalize: Normalize::L2,
        ..question
    })
}

fn explanation(explained: Explained) -> Result<TorchServeExplanation> {
    let first = explained.explanations.first();
    let first = first.ok_or_else(|| Error::internal("no explanation"))?;
    let scores = first.scores.iter().flat_map(|(_, scores)| scores);
    Ok(TorchServeExplanation {
        // The handler removes the mark of a preceding space in byte-level BPE.
        words: explained.tokens.iter().map(|token| token.text.replace('Ġ', "")).collect(),
        importances: scores.map(|score| number(*score)).collect(),
        delta: first.completeness.map_or(0., |completeness| number(completeness.convergence_delta)),
    })
}

fn prediction(explained: Explained) -> Result<Response> {
    let text = |text: String| ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text);
    Ok(match explained.predicted {
        Predicted::Labels(best_first) => {
            let best = best_first.into_iter().next();
            text(best.map(|best| best.label).unwrap_or_default()).into_response()
        }
        Predicted::Answer { answer, .. } => text(answer.text).into_response(),
        Predicted::Tokens { predictions, .. } => {
            let tokens = explained.tokens.into_iter().map(|token| token.text);
            let labels = predictions.into_iter().map(|best_first| best_first.into_iter().next());
            let pairs = tokens.zip(labels).filter_map(|(token, best)| Some([token, best?.label]));
            Json(pairs.collect::<Vec<_>>()).into_response()
        }
        Predicted::Masks(_) | Predicted::Similarity(_) => return Err(other_task("/predict")),
    })
}

fn other_task(route: &str) -> Error {
    let detail = format!("TorchServe's handler has no such task; send POST {route}");
    Error::new(Code::MethodNotSupported, detail)
}
