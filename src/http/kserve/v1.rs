//! KServe's V1 protocol: a list of instances gives a list of predictions or explanations. Each
//! instance is an input of POST /predict and POST /explain, each element of the list a result, and
//! the parameters are the other fields of these requests.

use axum::Json;
use axum::extract::{Extension, FromRequest, Path, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema};

use super::{ModelReady, not_allowed, relocated, without};
use crate::error::{Error, Result};
use crate::explanation::Answer;
use crate::http::accept::{self, Format};
use crate::http::body::{self, JsonBody};
use crate::http::cache::cached;
use crate::http::caller::Caller;
use crate::http::inputs::InputShape;
use crate::http::openapi::{ListProblems, ReadyProblems, WorkProblems};
use crate::http::problem::{Failure, Problem};
use crate::http::question::IntoQuestion;
use crate::http::request::{ExplainRequest, PredictRequest};
use crate::http::schemas::{named, shape};
use crate::http::timeout::RequestTimeout;
use crate::http::{Service, extract, respond};
use crate::render::json::{self, ExplainItem, PredictItem};

/// The description of the routes with verbs, which the router cannot match (see http/route.rs).
#[derive(utoipa::OpenApi)]
#[openapi(paths(predict, explain))]
pub struct Verbs;

/// The fields of a request to the service that are not parameters, and where their values are.
const FIXED: [(&str, &str); 2] = [("model", "the path"), ("inputs", "instances")];

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instances {
    instances: Vec<Value>,
    parameters: Option<Map<String, Value>>,
}

shape! {
    /// The body of a request to predict.
    PredictInstances [InputShape, PredictParameters]
    instances("The instances to predict.", named::<PredictParameters>())
}

shape! {
    /// The body of a request to explain.
    ExplainInstances [InputShape, ExplainParameters]
    instances("The instances to explain.", named::<ExplainParameters>())
}

shape! {
    /// The fields of POST /predict besides `model` and `inputs`.
    PredictParameters []
    without(PredictRequest::schema(), &FIXED.map(|(field, _)| field))
}

shape! {
    /// The fields of POST /explain besides `model` and `inputs`.
    ExplainParameters []
    without(ExplainRequest::schema(), &FIXED.map(|(field, _)| field))
}

fn instances(description: &str, parameters: Ref) -> ObjectBuilder {
    let list = ArrayBuilder::new().items(named::<InputShape>()).min_items(Some(1));
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let parameters = OneOfBuilder::new().item(null).item(parameters);
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .property("instances", list)
        .required("instances")
        .property("parameters", parameters)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

/// The models.
#[derive(Serialize, ToSchema)]
pub struct ModelNames {
    #[schema(example = json!(["sentiment-en", "sentiment-zh"]))]
    models: Vec<String>,
}

/// The predictions of all instances.
#[derive(Serialize, ToSchema)]
pub struct Predictions<E> {
    /// One per instance, as in `results` of POST /predict.
    predictions: Vec<PredictItem<E>>,
}

/// The explanations of all instances.
#[derive(Serialize, ToSchema)]
pub struct Explanations<E> {
    /// One per instance, as in `results` of POST /explain.
    explanations: Vec<ExplainItem<E>>,
}

/// List the models, as KServe's V1 protocol does.
///
/// GET /models has more about each.
#[utoipa::path(
    get, path = "/v1/models", tag = "kserve", operation_id = "v1_models",
    responses((status = 200, description = "The ids of the models that serve requests", body = ModelNames), ListProblems),
    security(("key" = []), ()),
)]
pub async fn models(State(service): State<Service>) -> Json<ModelNames> {
    let models = service.explainer.pool.models();
    Json(ModelNames { models: models.iter().map(|model| model.id.clone()).collect() })
}

/// Whether a model is ready, in KServe's V1 protocol.
///
/// 503 if it is still being loaded, or if the service is about to shut down.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "kserve", operation_id = "v1_ready",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en")),
    responses((status = 200, description = "It is", body = ModelReady), ReadyProblems),
    security(("key" = []), ()),
)]
pub async fn ready(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Json<ModelReady>, Failure> {
    // Ids have no colons: what follows one is a verb.
    match id.contains(':') {
        true => Err(not_allowed().into()),
        false => Ok(Json(ModelReady::of(&service, id)?)),
    }
}

/// Answers a POST request to a model's path, by the verb that follows the id.
pub async fn act(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Failure> {
    let call = Call { service, caller, headers };
    match path.rsplit_once(':') {
        Some((id, "predict")) => predict(call, id.to_owned(), request).await,
        Some((id, "explain")) => explain(call, id.to_owned(), request).await,
        _ => Err(not_allowed().into()),
    }
}

/// Predict instances, in KServe's V1 protocol.
///
/// An instance that fails gets an element with `error`. The status is an error only if all fail.
#[utoipa::path(
    post, path = "/v1/models/{id}:predict", tag = "kserve", operation_id = "v1_predict",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en"), RequestTimeout),
    request_body(content = PredictInstances, example = json!({"instances": ["This movie is really great."]})),
    responses((status = 200, description = "The predictions", body = Predictions<Problem>), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn predict(call: Call, id: String, request: Request) -> Result<Response, Failure> {
    let predictions =
        |answer| Predictions { predictions: json::predict(answer, in_instances).results };
    call.answer::<PredictRequest, _>("/v1/models/{id}:predict", id, request, predictions).await
}

/// Explain instances, in KServe's V1 protocol.
///
/// An instance that fails gets an element with `error`. The status is an error only if all fail.
#[utoipa::path(
    post, path = "/v1/models/{id}:explain", tag = "kserve", operation_id = "v1_explain",
    params(("id" = String, Path, description = "A model's id", example = "sentiment-en"), RequestTimeout),
    request_body(
        content = ExplainInstances,
        example = json!({"instances": ["This movie is really great."], "parameters": {"methods": ["lime"]}}),
    ),
    responses((status = 200, description = "The explanations", body = Explanations<Problem>), WorkProblems),
    security(("key" = []), ()),
)]
pub async fn explain(call: Call, id: String, request: Request) -> Result<Response, Failure> {
    let explanations =
        |answer| Explanations { explanations: json::explain(answer, in_instances).results };
    call.answer::<ExplainRequest, _>("/v1/models/{id}:explain", id, request, explanations).await
}

/// What is known of a request before its body is read.
pub struct Call {
    service: Service,
    caller: Caller,
    headers: HeaderMap,
}

impl Call {
    /// Answers a request with the JSON of `render`.
    async fn answer<R: IntoQuestion + DeserializeOwned, T: Serialize>(
        self,
        route: &'static str,
        id: String,
        request: Request,
        render: impl FnOnce(Answer) -> T + Send + 'static,
    ) -> Result<Response, Failure> {
        let Self { service, caller, headers } = self;
        let format = accept::choose(&headers, &[Format::Json])?;
        let JsonBody(body, permit) = JsonBody::<Instances>::from_request(request, &service).await?;
        let work = service.work.clone();
        let work = work.run(async move {
            let _permit = permit;
            let request: R = to_request(id, body)?;
            let read = extract::question(&service, &caller, &headers, request);
            let (question, key) = read.map_err(located)?;
            let key = key.map(|key| key.for_format(route, format.media_type()));
            let compute = respond::json(&service, question, render);
            let answer = cached(service.cache.as_ref(), key, compute).await;
            answer.map_err(|failure| relocated(failure, located))
        });
        work.await
    }
}

/// Converts to a request to the service itself.
fn to_request<R: DeserializeOwned>(id: String, body: Instances) -> Result<R> {
    let mut fields = body.parameters.unwrap_or_default();
    if let Some((field, place)) = FIXED.iter().find(|(field, _)| fields.contains_key(*field)) {
        let detail = format!("{field} is not a parameter: it is given by {place}");
        return Err(Error::field(format!("/parameters/{field}"), detail));
    }
    fields.insert("model".to_owned(), Value::String(id));
    fields.insert("inputs".to_owned(), Value::Array(body.instances));
    body::from_value(Value::Object(fields)).map_err(located)
}

/// Converts the error of one instance for a response.
fn in_instances(error: Error) -> Problem {
    respond::problem(located(error))
}

/// Converts the pointer of an error to one into the body: `/inputs/3/text` to `/instances/3/text`,
/// `/seed` to `/parameters/seed`.
fn located(mut error: Error) -> Error {
    let Some(pointer) = error.pointer.take() else { return error };
    match pointer.strip_prefix("/inputs") {
        // The model is given by the path.
        None if pointer == "/model" => error,
        None => error.at(format!("/parameters{pointer}")),
        Some(rest) => {
            if let Some(detail) = error.detail.strip_prefix("inputs") {
                error.detail = format!("instances{detail}");
            }
            error.at(format!("/instances{rest}"))
        }
    }
}
