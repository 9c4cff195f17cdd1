//! The OpenAPI description, generated from the code. openapi.yaml in the repository is the output
//! of [`yaml`]; a test compares them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi as _};

use super::caller::{OPEN, PROBES};
use super::conditional::{IfNoneMatch, NotModified, Tagged};
use super::problem::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "explaind",
        description = "Explains what a BERT-family model did with a text: attention of every \
                       layer and head, and attributions of tokens and words. Integers have no \
                       decimal point and fit into 64 bits.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The service that returned this description")),
    tags(
        (name = "explanations", description = "Predictions and their explanations"),
        (name = "evidence", description = "Similar samples, rules, and what would change a prediction"),
        (name = "concepts", description = "Concepts that you describe by texts"),
        (name = "catalogue", description = "Models and methods"),
        (name = "health", description = "For orchestrators and monitoring"),
        (name = "torchserve", description = "For clients of TorchServe"),
        (name = "kserve", description = "For clients of KServe"),
        (name = "problems", description = "What each error means and what to do"),
        (name = "pages", description = "Pages for browsers"),
    ),
    components(schemas(Problem)),
    modifiers(&Keys),
)]
struct Header;

/// Adds the security schemes.
struct Keys;

impl Modify for Keys {
    fn modify(&self, description: &mut OpenApi) {
        let components = description.components.get_or_insert_default();
        for (name, meaning) in [
            (
                "key",
                "One of `server.keys`, or the admin key. Not needed if no keys are configured.",
            ),
            (
                "admin_key",
                "`server.admin_key`, or the key that the service prints at startup if none is \
                 configured.",
            ),
        ] {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
            let scheme = SecurityScheme::Http(bearer.description(Some(meaning)).build());
            components.add_security_scheme(name, scheme);
        }
    }
}

/// The description without routes.
pub fn header() -> OpenApi {
    Header::openapi()
}

/// The complete description.
pub fn description() -> OpenApi {
    let mut description = super::documented().split_for_parts().1;
    add_common(&mut description);
    drop_unused(&mut description);
    description
}

/// Errors that any request can get before it reaches its route.
const COMMON: [(&str, &str); 5] = [
    ("400", "The request's host is missing, malformed or ambiguous"),
    ("414", "The path is too long"),
    ("421", "The request's host is not one of server.hosts"),
    ("431", "There are too many headers, or they are too large"),
    ("500", "Internal error"),
];

/// Additional errors of all routes except probes.
const UNSENT: [(&str, &str); 1] =
    [("503", "Too many bytes of other responses are waiting to be read; see Retry-After")];

/// Additional errors of routes that need a key.
const KEYED: [(&str, &str); 2] = [
    ("429", "The key has used its quota; see Retry-After"),
    ("503", "Too many bytes of other responses wait to be read, or the service is shutting down"),
];

fn add_common(description: &mut OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let extra: &[_] = match path.as_str() {
            probe if PROBES.contains(&probe) => &[],
            open if OPEN.contains(&open) => &UNSENT,
            _ => &KEYED,
        };
        let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in methods.into_iter().filter_map(Option::as_mut) {
            for (status, meaning) in COMMON.iter().chain(extra) {
                let responses = &mut operation.responses.responses;
                responses.entry((*status).to_owned()).or_insert_with(|| problem(meaning).into());
            }
        }
    }
}

/// Removes schemas that are only used inline, repeatedly, because others may become unused.
fn drop_unused(description: &mut OpenApi) {
    loop {
        let text = description.to_json().unwrap_or_default();
        let used = |name: &str| text.contains(&format!("\"#/components/schemas/{name}\""));
        let Some(components) = &mut description.components else { return };
        let before = components.schemas.len();
        components.schemas.retain(|name, _| used(name));
        if components.schemas.len() == before {
            return;
        }
    }
}

/// The contents of openapi.yaml.
pub fn yaml() -> Result<String, String> {
    description().to_yaml().map_err(|error| error.to_string())
}

/// The response of GET /openapi.json.
pub fn json() -> Result<String, String> {
    description().to_json().map_err(|error| error.to_string())
}

/// This description as JSON.
///
/// The same as openapi.yaml in the repository.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health", params(IfNoneMatch),
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"),
        NotModified,
    ),
)]
pub async fn openapi_json() -> Tagged {
    static JSON: LazyLock<Tagged> =
        LazyLock::new(|| Tagged::of(json().unwrap_or_else(|_| "{}".to_owned()).into_bytes()));
    JSON.clone()
}

/// Defines the problem responses of a set of routes.
macro_rules! problems {
    ($(#[$doc:meta])* $name:ident: $($status:literal => $meaning:literal,)+) => {
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$(($status, $meaning)),+]
                    .into_iter()
                    .map(|(status, meaning)| (status.to_owned(), problem(meaning).into()))
                    .collect()
            }
        }
    };
}

fn problem(meaning: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(meaning).content("application/problem+json", content).build()
}

problems! {
    /// Errors of routes that run a model.
    WorkProblems:
    "400" => "Malformed JSON, or an incomplete body",
    "401" => "Keys are configured, and no valid one was sent",
    "404" => "No such model, corpus or concept",
    "406" => "No accepted media type is available; `detail` lists those that are",
    "408" => "The body did not arrive in time",
    "413" => "The body is too large",
    "415" => "The body is not JSON, or has an unknown compression",
    "422" => "A field is invalid, or an input is empty or too long; see `pointer`",
    "429" => "The queue is full, or the key has used its quota; see Retry-After",
    "500" => "Internal error",
    "502" => "The server that predicts the model failed",
    "503" => "The model is loading or could not be loaded, too many bytes of other responses are \
              waiting to be read (see Retry-After), or the service is shutting down",
    "504" => "The deadline was exceeded",
}

problems! {
    /// Errors of loading a model.
    ManageProblems:
    "400" => "Malformed JSON, or a path that is not UTF-8",
    "401" => "The admin key is missing or wrong",
    "408" => "The body did not arrive in time",
    "409" => "The model is being loaded from another source, or there are too many models",
    "413" => "The body is too large",
    "415" => "The body is not JSON, or has an unknown compression",
    "422" => "The id, the source or the activation is invalid. An invalid model, or one too large \
              for limits.model_mebibytes, is detected during loading: its state becomes failed, \
              with this status in its problem",
    "500" => "Internal error",
    "503" => "Too many bytes of other responses wait to be read, or the service is shutting down",
}

problems! {
    /// Errors of adding a corpus.
    CorpusProblems:
    "400" => "Malformed JSON, or a path that is not UTF-8",
    "401" => "The admin key is missing or wrong",
    "404" => "No such model",
    "408" => "The body did not arrive in time",
    "413" => "The body is too large",
    "415" => "The body is not JSON, or its compression is unknown",
    "422" => "The id, the file or a sample is invalid; `pointer` names it. Errors within a file are \
              found while it is read: the state of its index is then `failed`",
    "500" => "Internal error",
    "503" => "The model is loading or could not be loaded, too many responses are unsent, or the \
              service is shutting down",
}

problems! {
    /// Errors of learning a concept.
    LearnProblems:
    "400" => "Malformed JSON, or an incomplete body",
    "401" => "The admin key is missing or wrong",
    "404" => "No such model",
    "406" => "Only JSON is available",
    "408" => "The body did not arrive in time",
    "413" => "The body is too large",
    "415" => "The body is not JSON, or its compression is unknown",
    "422" => "A field or a text is invalid, or there are too many concepts; see `pointer`",
    "429" => "The queue is full; see Retry-After",
    "500" => "Internal error",
    "503" => "The model is loading or could not be loaded, too many responses are unsent, or the \
              service is shutting down",
    "504" => "The deadline was exceeded",
}

problems! {
    /// Errors of removing a concept.
    ForgetProblems:
    "400" => "The path is not UTF-8",
    "401" => "The admin key is missing or wrong",
    "404" => "No such concept",
}

problems! {
    /// Errors of removing a corpus.
    RemoveProblems:
    "400" => "The path is not UTF-8",
    "401" => "The admin key is missing or wrong",
    "404" => "No such corpus",
    "422" => "Built-in corpora cannot be removed",
}

problems! {
    /// Errors of unloading a model.
    UnloadProblems:
    "400" => "The path is not UTF-8",
    "401" => "The admin key is missing or wrong",
    "404" => "No such model",
}

problems! {
    /// Errors of routes that look up a model.
    LookupProblems:
    "400" => "The path is not UTF-8",
    "401" => "Keys are configured, and no valid one was sent",
    "404" => "No such model",
}

problems! {
    /// Errors of routes that say whether a model is ready.
    ReadyProblems:
    "400" => "The path is not UTF-8",
    "401" => "Keys are configured, and no valid one was sent",
    "404" => "No such model",
    "503" => "The model is loading or could not be loaded, or the service is shutting down",
}

problems! {
    /// Errors of lists.
    ListProblems:
    "401" => "Keys are configured, and no valid one was sent",
}

problems! {
    /// Errors of the problem pages.
    PageProblems:
    "404" => "No problem has this code",
    "406" => "No accepted media type is available; `detail` lists those that are",
}

problems! {
    /// Errors of the pages for browsers.
    FileProblems:
    "404" => "There is no such page or file, or it is switched off",
}

problems! {
    /// Errors of readiness.
    NotReady:
    "503" => "The service is not ready: loading, failing or shutting down",
}
