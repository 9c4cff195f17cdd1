//! The description of the service, made from its code. openapi.yaml in the
//! repository is what [`yaml`] gives; a test keeps them equal.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi as _};

use super::conditional::{IfNoneMatch, NotModified, Tagged};
use super::gate::{OPEN, PROBES};
use super::problem::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "explaind",
        description = "Explains what a BERT-family model did with a text: attention of every \
                       layer and head, and attributions of tokens and words. Integers are \
                       written without a point and fit into 64 bits.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The service that gave this description")),
    tags(
        (name = "explanations", description = "Predictions and what they rest on"),
        (name = "catalogue", description = "Models and methods"),
        (name = "health", description = "For orchestrators and monitoring"),
        (name = "problems", description = "What each error means and what to do"),
    ),
    components(schemas(Problem)),
    modifiers(&Keys),
)]
struct Header;

/// How keys are sent.
struct Keys;

impl Modify for Keys {
    fn modify(&self, description: &mut OpenApi) {
        let components = description.components.get_or_insert_default();
        for (name, meaning) in [
            (
                "key",
                "One of `server.keys`, or the admin key; where none is configured, none is needed.",
            ),
            (
                "admin_key",
                "`server.admin_key`; where none is configured, the key that the service prints when \
                 it starts.",
            ),
        ] {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
            let scheme = SecurityScheme::Http(bearer.description(Some(meaning)).build());
            components.add_security_scheme(name, scheme);
        }
    }
}

/// The description without its routes.
pub fn header() -> OpenApi {
    Header::openapi()
}

/// The whole description.
pub fn description() -> OpenApi {
    let mut description = super::documented().split_for_parts().1;
    add_common(&mut description);
    drop_unused(&mut description);
    description
}

/// What a request may be told before it reaches its route.
const COMMON: [(&str, &str); 5] = [
    ("400", "The request names no host, or several"),
    ("414", "The path is too long"),
    ("421", "The host that the request names is none of server.hosts"),
    ("431", "There are too many headers, or they are too large"),
    ("500", "A fault of the service"),
];

/// The same, but for probes.
const UNSENT: [(&str, &str); 1] = [(
    "503",
    "Too much of other responses is waiting to be read; Retry-After says when to come back",
)];

/// The same, on routes that are not open to all.
const OF_KEYS: [(&str, &str); 2] = [
    ("429", "The key has used its share; Retry-After says when to come back"),
    ("503", "Too much of other responses is waiting to be read, or the service is shutting down"),
];

fn add_common(description: &mut OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let of_keys: &[_] = match path.as_str() {
            probe if PROBES.contains(&probe) => &[],
            open if OPEN.contains(&open) => &UNSENT,
            _ => &OF_KEYS,
        };
        let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in methods.into_iter().filter_map(Option::as_mut) {
            for (status, meaning) in COMMON.iter().chain(of_keys) {
                let responses = &mut operation.responses.responses;
                responses.entry((*status).to_owned()).or_insert_with(|| problem(meaning).into());
            }
        }
    }
}

/// Drops the schemas that stand only where they are used, and what only those name.
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

/// The text of openapi.yaml.
pub fn yaml() -> Result<String, String> {
    description().to_yaml().map_err(|error| error.to_string())
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
    static JSON: LazyLock<Tagged> = LazyLock::new(|| {
        Tagged::of(description().to_json().unwrap_or_else(|_| "{}".to_owned()).into_bytes())
    });
    JSON.clone()
}

/// Problem responses of a set of routes.
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
    /// Of the routes that run a model.
    WorkProblems:
    "400" => "Malformed JSON, or a body that broke off",
    "401" => "Keys are configured, and none of them was sent",
    "404" => "No such model",
    "406" => "The caller accepts nothing that is given here; `detail` lists what is",
    "408" => "The body did not arrive in time",
    "413" => "The body is too large",
    "415" => "The body is no JSON, or compressed in an unknown way",
    "422" => "A field is wrong, or an input is empty or too long; `pointer` says which",
    "429" => "The queue is full, or the key has used its share; Retry-After says when to come back",
    "500" => "A fault of the service",
    "503" => "The model is loading or could not be loaded, too much of other responses is waiting \
              to be read (Retry-After says when to come back), or the service is shutting down",
    "504" => "Not finished in time",
}

problems! {
    /// Of loading.
    ManageProblems:
    "400" => "Malformed JSON, or a path that is not UTF-8",
    "401" => "The admin key is missing or wrong",
    "408" => "The body did not arrive in time",
    "409" => "It is being loaded from another source, or there are too many models",
    "413" => "The body is too large",
    "415" => "The body is no JSON, or compressed in an unknown way",
    "422" => "The id, the source or the activation is wrong. A model that is invalid, or too \
              large for limits.model_mebibytes, is found while it is loaded: its state is \
              then failed, with this status in its problem",
    "500" => "A fault of the service",
    "503" => "Too much of other responses is waiting to be read, or the service is shutting down",
}

problems! {
    /// Of unloading.
    UnloadProblems:
    "400" => "The path is not UTF-8",
    "401" => "The admin key is missing or wrong",
    "404" => "No such model",
}

problems! {
    /// Of the routes that look up a model.
    LookupProblems:
    "400" => "The path is not UTF-8",
    "401" => "Keys are configured, and none of them was sent",
    "404" => "No such model",
}

problems! {
    /// Of the routes that list.
    ListProblems:
    "401" => "Keys are configured, and none of them was sent",
}

problems! {
    /// Of the pages about problems.
    PageProblems:
    "404" => "No problem has this code",
    "406" => "The caller accepts nothing that is given here; `detail` lists what is",
}

problems! {
    /// Of readiness.
    NotReady:
    "503" => "Loading or shutting down",
}
