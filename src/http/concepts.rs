//! GET and POST /concepts, DELETE /concepts/{name}: concepts that a user describes by texts.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admin::Admin;
use super::body::JsonBody;
use super::caller::Caller;
use super::inputs::{InputShape, listed};
use super::openapi::{ForgetProblems, LearnProblems, ListProblems};
use super::problem::Failure;
use super::respond::{self, Rendered};
use super::shapes::PlainOr;
use super::target::{ClassShape, TargetObject, TargetShape, target};
use super::timeout::{RequestTimeout, timeout};
use super::{Service, accept, extract, question};
use crate::concepts::FEWEST_TEXTS;
use crate::config::{self, Limits};
use crate::error::{Code, Error, Result};
use crate::explainer::{Explainer, Lesson, counts_labels};
use crate::explanation::{Concept as Learned, Question, Target};
use crate::model::Model;
use crate::render::json::{self, Concept};
use crate::text::Input;

/// Bytes that a number of a direction takes in JSON, at most.
const BYTES_PER_NUMBER: usize = 16;

/// All concepts.
#[derive(Serialize, ToSchema)]
pub struct ConceptList {
    /// In the order of their names.
    concepts: Vec<Concept>,
}

/// A concept to learn from texts that have it and texts that do not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConceptRequest {
    /// A concept of this name is replaced. 1 to 64 of the characters A-Z a-z 0-9 . _ -, not starting
    /// with a dot.
    #[schema(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    name: String,
    /// An id from GET /models, or `auto` for the built-in model for the texts' script. By default the
    /// first configured model.
    model: Option<String>,
    /// Texts with the concept, at least five: strings, pairs or objects, as `inputs` of POST /explain.
    #[schema(min_items = 5)]
    concept: Vec<InputShape>,
    /// Texts without it, at least five, that are otherwise alike.
    #[schema(min_items = 5)]
    contrast: Vec<InputShape>,
    /// The output whose dependence on the concept is tested, in the forms of POST /explain except
    /// `all`. By default the label that is predicted most often for the texts of both lists, the first
    /// of equal ones; for other tasks, the prediction of each text.
    #[schema(value_type = Option<TargetShape>)]
    target: Option<PlainOr<ClassShape, TargetObject>>,
    /// Whether to return the directions of all layers; false by default.
    directions: Option<bool>,
    /// Truncates texts over the model's limit instead of rejecting them.
    truncate: Option<bool>,
    /// Seed of the parts that are held out, and of the random splits.
    #[schema(format = "uint64")]
    seed: Option<u64>,
    /// Time limit for the response, in milliseconds.
    #[schema(minimum = 1, maximum = 3_600_000, example = 5000)]
    budget_ms: Option<u64>,
}

impl ConceptRequest {
    fn into_lesson(self, explainer: &Explainer) -> Result<Lesson> {
        let limits = &explainer.limits;
        config::check_id(&self.name)
            .map_err(|reason| Error::field("/name", format!("the name {reason}")))?;
        let own = texts(self.concept, "/concept", limits)?;
        let with = own.len();
        let contrast = texts(self.contrast, "/contrast", limits)?;
        let inputs: Vec<Input> = own.into_iter().chain(contrast).collect();
        check_distinct(&inputs)?;
        let model = question::model(explainer, self.model.as_deref(), &inputs)?;
        let chooses_target = self.target.is_none() && counts_labels(model.task);
        let target = target(self.target)?;
        if target == Target::All {
            return Err(Error::field("/target", "one output is tested: name one"));
        }
        let question = Question {
            target,
            truncate: question::truncate(self.truncate),
            seed: self.seed.unwrap_or_default(),
            budget: question::budget(self.budget_ms)?,
            ..Question::prediction(model, inputs)
        };
        Ok(Lesson { name: self.name, question, with, chooses_target })
    }
}

/// Reads one of the lists.
fn texts(list: Vec<InputShape>, field: &str, limits: &Limits) -> Result<Vec<Input>> {
    let most = limits.concept_texts;
    if !(FEWEST_TEXTS..=most).contains(&list.len()) {
        let detail = format!(
            "{} has {} texts; it must have {FEWEST_TEXTS} to {most}",
            field.trim_start_matches('/'),
            list.len()
        );
        return Err(Error::field(field, detail));
    }
    listed(list, field, limits)
}

/// Checks that no text is given twice: it would be held out and learned from at the same time.
fn check_distinct(inputs: &[Input]) -> Result<()> {
    let mut seen = HashSet::new();
    let trimmed = |input: &Input| {
        let pair = input.text_pair.as_deref().map(|pair| pair.trim().to_owned());
        (input.text.trim().to_owned(), pair)
    };
    match inputs.iter().find(|input| !seen.insert(trimmed(input))) {
        Some(twice) => Err(Error::field(&twice.pointer, "this text is given twice")),
        None => Ok(()),
    }
}

/// Checks that the directions of all layers fit into a response, before they are learned.
fn check_directions(model: &Model, limits: &Limits) -> Result<()> {
    let numbers = 2 * model.layers() * model.width();
    match numbers.saturating_mul(BYTES_PER_NUMBER) <= limits.response_bytes {
        true => Ok(()),
        false => {
            let detail = format!(
                "the directions have {numbers} numbers, and a response has at most {} bytes",
                limits.response_bytes
            );
            Err(Error::new(Code::ResponseTooLarge, detail).at("/directions"))
        }
    }
}

/// Whether the model of a concept is served in the same revision.
fn is_usable(service: &Service, concept: &Learned) -> bool {
    let models = service.explainer.pool.models();
    models.iter().any(|model| model.id == concept.model && model.revision == concept.revision)
}

/// List the concepts.
///
/// A concept is a direction in the states of a model, learned from texts by POST /concepts.
#[utoipa::path(
    get, path = "/concepts", tag = "concepts",
    responses((status = 200, description = "All concepts", body = ConceptList), ListProblems),
    security(("key" = []), ()),
)]
pub async fn concepts(State(service): State<Service>) -> Result<Rendered, Failure> {
    let own = service.clone();
    let list = move || {
        let concepts = own.explainer.concepts.list();
        let body = |concept: &Arc<Learned>| json::concept(concept, &[], is_usable(&own, concept));
        ConceptList { concepts: concepts.iter().map(body).collect() }
    };
    respond::body(&service, list).await
}

/// Learn a concept from texts.
///
/// Finds the direction in the states of each layer that separates the texts of `concept` from those of
/// `contrast`, how well it separates texts that were held out, and whether the output depends on it
/// more than on random directions (TCAV). The concept is stored under its name for `concepts` of POST
/// /explain.
#[utoipa::path(
    post, path = "/concepts", tag = "concepts", params(RequestTimeout),
    request_body(content = ConceptRequest, example = json!({
        "name": "negation",
        "concept": ["It is not good.", "I do not like it.", "This is not a success.",
                    "He does not act well.", "The plot is not new."],
        "contrast": ["It is good.", "I like it.", "This is a success.",
                     "He acts well.", "The plot is new."],
    })),
    responses((status = 201, description = "The concept", body = Concept), LearnProblems),
    security(("admin_key" = [])),
)]
pub async fn learn(
    _: Admin,
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(request, permit): JsonBody<ConceptRequest>,
) -> Result<(StatusCode, Rendered), Failure> {
    accept::choose(&headers, &[accept::Format::Json])?;
    let work = service.work.clone();
    work.run(async move {
        let _permit = permit;
        let timeout = timeout(&headers)?;
        let wants_directions = request.directions.unwrap_or_default();
        let mut lesson = request.into_lesson(&service.explainer)?;
        if wants_directions {
            check_directions(&lesson.question.model, &service.limits)?;
        }
        extract::belongs_to(&mut lesson.question, &caller, timeout);
        let (concept, directions) = service.explainer.learn(lesson).await?;
        let usable = is_usable(&service, &concept);
        let body = move || {
            let directions = if wants_directions { directions.as_slice() } else { &[] };
            json::concept(&concept, directions, usable)
        };
        Ok((StatusCode::CREATED, respond::body(&service, body).await?))
    })
    .await
}

/// Remove a concept.
///
/// Requests in flight still use it.
#[utoipa::path(
    delete, path = "/concepts/{name}", tag = "concepts",
    params(("name" = String, Path, description = "A name of GET /concepts")),
    responses((status = 204, description = "The concept was removed"), ForgetProblems),
    security(("admin_key" = [])),
)]
pub async fn forget(
    _: Admin,
    State(service): State<Service>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    let concepts = Arc::clone(&service.explainer.concepts);
    let removed = tokio::task::spawn_blocking(move || concepts.remove(&name)).await;
    removed.map_err(Error::internal)??;
    Ok(StatusCode::NO_CONTENT)
}
