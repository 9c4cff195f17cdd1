//! What each problem means, when it happens and what to do: the words of its page.
//! A code without them does not compile.

use crate::error::Code;

/// Meaning, occasion and remedy.
pub fn guide(code: Code) -> [&'static str; 3] {
    match code {
        Code::BadRequest => [
            "The request cannot be read as HTTP, or a header or the path cannot be read.",
            "The request line or a header field is malformed, plain HTTP is sent to a service \
             that speaks TLS or the other way round, a path is not UTF-8, or X-Request-Timeout is \
             not a whole number of milliseconds.",
            "Correct what `detail` names. After a malformed head the connection is closed: open \
             another one.",
        ],
        Code::InvalidJson => [
            "The body is not JSON.",
            "The body has a syntax error, is empty, ends before its end, or does not decompress.",
            "Send one JSON object, in UTF-8; `detail` has the line and the column of the first \
             error.",
        ],
        Code::InvalidField => [
            "A field of the body is not what it must be.",
            "A field has the wrong type or a value out of its range, is unknown, or does not go \
             with another field.",
            "Correct the field that `pointer`, a JSON pointer into the body, leads to. GET \
             /openapi.json describes every field, GET /methods the options of each method.",
        ],
        Code::InputEmpty => [
            "There is nothing to explain.",
            "A text is empty or white space alone, `inputs` is an empty list, or a task's own \
             part is missing, such as the mask of a masked language model.",
            "Send a text. `pointer` leads to the input that has none; the other inputs of a list \
             are answered.",
        ],
        Code::InputTooLong => [
            "A text has more tokens than the model takes.",
            "The text, with the special tokens that the model adds, is over `max_tokens` of GET \
             /models.",
            "Send a shorter text, or `truncate: true` to have it cut, or `window` to have it read \
             in parts.",
        ],
        Code::TargetNotFound => [
            "The model has no such output.",
            "`target` names a label, an index, a token or a position that the model's answer to \
             this input does not have.",
            "Take one of the labels of GET /models/{id}, or leave `target` out to explain what is \
             predicted.",
        ],
        Code::MethodNotSupported => [
            "There is no such method.",
            "`methods` has a name that GET /methods does not list.",
            "Take one of the names of GET /methods.",
        ],
        Code::ModelNotFound => [
            "No model has this id.",
            "`model`, or the path, names a model that is neither served nor being loaded.",
            "Take one of the ids of GET /models, or leave `model` out to ask the first one.",
        ],
        Code::ModelInvalid => [
            "The model's files cannot be loaded.",
            "A file of the model is missing, damaged, or of an architecture that the service does \
             not know. It is found while the model is loaded, and stands in GET /models/{id}.",
            "Correct what `detail` names, and PUT the model again.",
        ],
        Code::ModelTooLarge => [
            "The model's weights do not fit.",
            "With this model, the weights of all models would be over `limits.model_mebibytes`. \
             It is found while the model is loaded, and stands in GET /models/{id}.",
            "Unload another model, or raise `limits.model_mebibytes`, and PUT the model again.",
        ],
        Code::ModelLoading => [
            "The model is being loaded from another source.",
            "PUT /models/{id} names a source while the load of another one under this id is not \
             finished.",
            "Wait until GET /models/{id} says `ready` or `failed`, or DELETE the model, and send \
             the request again.",
        ],
        Code::TooManyModels => [
            "There is no room for the id of one more model.",
            "The service has as many models as it may, those that are being loaded or have failed \
             among them.",
            "DELETE a model that is not needed.",
        ],
        Code::Unauthorized => [
            "The request has no key, or one that may not do this.",
            "Keys are configured and the request carries none of them, or it changes models and \
             does not carry the admin key.",
            "Send `Authorization: Bearer KEY`. Whoever runs the service gives keys out.",
        ],
        Code::NotFound => [
            "There is nothing at this path.",
            "The path is misspelt, or is not one of this version of the service.",
            "Take a path that GET /openapi.json lists.",
        ],
        Code::MethodNotAllowed => [
            "The path is there, and does not take this method.",
            "For example, GET is sent to /explain, which takes POST.",
            "Take one of the methods in the response's Allow header.",
        ],
        Code::NotAcceptable => [
            "The service has no response in a form that the client accepts.",
            "The Accept header excludes every media type that the route gives.",
            "Accept one of the media types that `detail` lists; without an Accept header the \
             first of them is given.",
        ],
        Code::UnsupportedMediaType => [
            "The body is in a form that the service does not read.",
            "Content-Type is missing or is not application/json, or Content-Encoding is neither \
             gzip nor zstd.",
            "Send `Content-Type: application/json`, and the body plain, in gzip or in zstd.",
        ],
        Code::PayloadTooLarge => [
            "The body is too large.",
            "Decompressed, it is over `limits.body_bytes`.",
            "Send fewer inputs in one request.",
        ],
        Code::HeadersTooLarge => [
            "The request's header fields are too many or too large.",
            "There are over 100 of them, or together they are over `limits.header_bytes`.",
            "Leave out what the service does not read; cookies are the usual cause.",
        ],
        Code::UriTooLong => [
            "The path, with its query, is too long.",
            "It is over 8 KiB.",
            "No path of the service is long: texts go into the body.",
        ],
        Code::MisdirectedRequest => [
            "The request is for a host that this service is not.",
            "The Host header, or the authority of HTTP/2, is neither the address that the service \
             listens on nor one of `server.hosts`. Pages whose name was pointed at this machine \
             are refused so.",
            "Take the address that the service is known by, or add the host to `server.hosts`.",
        ],
        Code::RequestTooExpensive => [
            "The request alone is more work than is ever taken at once.",
            "Its tokens x rows x layers are over `engine.queued_work`, however idle the service \
             is.",
            "Send fewer inputs, methods, targets or steps in one request. POST /estimate gives \
             the cost, and the limit.",
        ],
        Code::ResponseTooLarge => [
            "The response would be too large.",
            "The attention that is asked for is over `limits.attention_values`, or the response \
             over `limits.response_bytes`.",
            "Select layers and heads of attention, ask for less in one request, or accept \
             application/x-safetensors.",
        ],
        Code::Overloaded => [
            "The service has as much work as it can do in time.",
            "The work in flight leaves no room for the request, or it could not be finished \
             before its deadline.",
            "Send it again after the seconds in Retry-After. A request that costs less may be \
             taken earlier.",
        ],
        Code::ResponsesUnsent => [
            "Too many bytes of responses wait to be read.",
            "The responses that clients have asked for and not yet read are over \
             `limits.response_mebibytes_total` together.",
            "Read the responses that are open, and send the request again after Retry-After.",
        ],
        Code::RateLimited => [
            "The key has used its share.",
            "It has sent more requests than `limits.key_requests_per_minute`, or has more of them \
             in flight than `limits.key_requests`.",
            "Wait for the seconds in Retry-After, and for responses before further requests are \
             sent.",
        ],
        Code::DeadlineExceeded => [
            "The answer was not finished in time.",
            "The time of `budget_ms`, X-Request-Timeout or `limits.request_ms`, whichever is the \
             shortest, was over.",
            "Give it more time, or ask for less. Methods that sample stop in time and say so: GET \
             /methods lists them as `stops_in_time`.",
        ],
        Code::RequestTimeout => [
            "The request did not arrive in time.",
            "The body was not sent to its end within `limits.request_ms`.",
            "Send it again, over a better connection or in smaller parts.",
        ],
        Code::NotReady => [
            "The service, or the model that is asked for, cannot answer now.",
            "Models are still loading, the model could not be loaded, or computing fails.",
            "Where the response has a Retry-After header, send the request again after it. Else \
             GET /models says what failed, and somebody has to mend it.",
        ],
        Code::Draining => [
            "The service is shutting down.",
            "It finishes the requests in flight and takes no new ones.",
            "Send the request again over a new connection, to another instance or after the \
             restart.",
        ],
        Code::Internal => [
            "The service failed.",
            "There is a fault in it, or in what it runs on.",
            "Report it with `request_id`: the log has the cause under this id. The same request \
             may succeed later.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_whole_sentences_of_its_own() {
        let mut seen = Vec::new();
        for code in Code::ALL {
            for text in guide(*code) {
                assert!(text.ends_with('.') && !text.contains("  "), "{code:?}: {text}");
                assert!(!seen.contains(&text), "{code:?} says what another does: {text}");
                seen.push(text);
            }
        }
    }
}
