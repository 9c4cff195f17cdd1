//! The route that answers a request, by its path in the description.

use axum::extract::{MatchedPath, Request};

/// KServe's paths of a model end with its id, or with its id and a verb. The router matches whole
/// parts of a path, so that all of them have this route.
const MODEL: &str = "/v1/models/{id}";

/// The verbs, and their paths in the description.
const VERBS: [(&str, &str); 2] =
    [("predict", "/v1/models/{id}:predict"), ("explain", "/v1/models/{id}:explain")];

/// Returns the path in the description of the route that a request is for.
pub fn of(request: &Request) -> Option<&str> {
    let matched = request.extensions().get::<MatchedPath>()?.as_str();
    match matched {
        MODEL => Some(described(request.uri().path())),
        other => Some(other),
    }
}

/// Returns the path in the description for a path of a model.
fn described(path: &str) -> &'static str {
    let path = path.to_ascii_lowercase();
    let ends_with = |verb: &str| {
        let before = path.strip_suffix(verb);
        before.is_some_and(|before| before.ends_with(':') || before.ends_with("%3a"))
    };
    let verb = VERBS.iter().find(|(verb, _)| ends_with(verb));
    verb.map_or(MODEL, |(_, described)| described)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_a_part_of_the_path() {
        for (path, expected) in [
            ("/v1/models/a", MODEL),
            ("/v1/models/predict", MODEL),
            ("/v1/models/a:predict", "/v1/models/{id}:predict"),
            ("/v1/models/a%3Aexplain", "/v1/models/{id}:explain"),
            ("/v1/models/a:explain:predict", "/v1/models/{id}:predict"),
            ("/v1/models/a:other", MODEL),
        ] {
            assert_eq!(described(path), expected, "{path}");
        }
    }
}
