//! Meaning, cause and remedy of each problem, for its page. The match makes a missing one a compile
//! error.

use crate::error::Code;

/// Meaning, when it occurs, and remedy.
pub fn guide(code: Code) -> [&'static str; 3] {
    match code {
        Code::BadRequest => [
            "The request, a header or the path cannot be parsed.",
            "The request line or a header field is malformed, plain HTTP is sent to a service \
             with TLS or the other way round, a path is not UTF-8, or X-Request-Timeout is not an \
             integer of milliseconds.",
            "Correct what `detail` names. The connection is closed after a malformed head: open a \
             new one.",
        ],
        Code::InvalidJson => [
            "The body is not JSON.",
            "The body has a syntax error, is empty, is incomplete, or does not decompress.",
            "Send one JSON object in UTF-8. `detail` has the position of the first error.",
        ],
        Code::InvalidField => [
            "A field of the body is invalid.",
            "A field has the wrong type or a value out of range, is unknown, or cannot be combined \
             with another field.",
            "Correct the field that `pointer`, a JSON pointer into the body, refers to. GET \
             /openapi.json describes all fields, GET /methods the options of each method.",
        ],
        Code::InputEmpty => [
            "There is nothing to explain.",
            "A text is empty or only white space, `inputs` is an empty list, or something that the \
             task needs is missing, such as the mask of a masked language model.",
            "Send a text. `pointer` refers to the empty input; the other inputs of a list are \
             answered.",
        ],
        Code::InputTooLong => [
            "A text has more tokens than the model accepts.",
            "The text, including the special tokens that the model adds, exceeds `max_tokens` of \
             GET /models.",
            "Send a shorter text, `truncate: true` to cut it, or `window` to read it in \
             overlapping windows.",
        ],
        Code::TargetNotFound => [
            "The model has no such output.",
            "`target` is a label, an index, a token or a position that the model's output for this \
             input does not have.",
            "Use one of the labels of GET /models/{id}, or omit `target` to explain the \
             prediction.",
        ],
        Code::MethodNotSupported => [
            "There is no such method, or it does not apply to the model.",
            "`methods` contains a name that GET /methods does not list, or the route or an option \
             does not apply to the model's task.",
            "Use one of the names of GET /methods, or what `detail` suggests.",
        ],
        Code::ModelNotFound => [
            "No model has this id.",
            "`model`, or the path, is the id of a model that is neither served nor being loaded.",
            "Use one of the ids of GET /models, or omit `model` to use the first one.",
        ],
        Code::CorpusNotFound => [
            "No corpus fits the request.",
            "No corpus has the id that the request names, or the request names none and there is \
             none of its model.",
            "Name a corpus that GET /corpora lists, configure one in [[corpora]], or PUT one to \
             /corpora/{id}.",
        ],
        Code::ConceptNotFound => [
            "No concept has this name.",
            "`concepts`, or the path, names a concept that was never made or has been removed. \
             Without `concepts.folder`, a restart of the service forgets all of them.",
            "Use one of the names of GET /concepts, or POST the concept to /concepts.",
        ],
        Code::ModelInvalid => [
            "The model's files cannot be loaded.",
            "A file of the model is missing, damaged, or of an unsupported architecture. This is \
             detected while the model is loaded, and reported by GET /models/{id}.",
            "Correct what `detail` names, and PUT the model again.",
        ],
        Code::ModelTooLarge => [
            "The model's weights do not fit.",
            "With this model, the weights of all models would exceed `limits.model_mebibytes`. \
             This is detected while the model is loaded, and shown by GET /models/{id}.",
            "Unload another model, or raise `limits.model_mebibytes`, and PUT the model again.",
        ],
        Code::ModelLoading => [
            "The model is being loaded from another source.",
            "PUT /models/{id} names a source while another one is still being loaded under this \
             id.",
            "Wait until GET /models/{id} reports `ready` or `failed`, or DELETE the model; then \
             send the request again.",
        ],
        Code::TooManyModels => [
            "The maximum number of models is reached.",
            "The service has as many models as possible, including those that are being loaded or \
             have failed.",
            "DELETE a model that is not needed.",
        ],
        Code::Unauthorized => [
            "The request has no key, or the key does not permit this.",
            "Keys are configured and the request has no valid one, or it changes models and does \
             not have the admin key.",
            "Send `Authorization: Bearer KEY`. The operator of the service issues keys.",
        ],
        Code::NotFound => [
            "There is nothing at this path.",
            "The path is misspelt, or does not exist in this version of the service.",
            "Use a path that GET /openapi.json lists.",
        ],
        Code::MethodNotAllowed => [
            "The path exists but does not support this method.",
            "For example, GET is sent to /explain, which needs POST.",
            "Use one of the methods in the response's Allow header.",
        ],
        Code::NotAcceptable => [
            "The service has no response in a format that the client accepts.",
            "The Accept header excludes every media type that the route offers.",
            "Accept one of the media types that `detail` lists. Without an Accept header, the \
             first of them is sent.",
        ],
        Code::UnsupportedMediaType => [
            "The service cannot read this format of the body.",
            "Content-Type is missing or is not application/json, or Content-Encoding is neither \
             gzip nor zstd.",
            "Send `Content-Type: application/json`, and the body uncompressed or compressed with \
             gzip or zstd.",
        ],
        Code::PayloadTooLarge => [
            "The body is too large.",
            "After decompression, it exceeds `limits.body_bytes`.",
            "Send fewer inputs in one request.",
        ],
        Code::HeadersTooLarge => [
            "The request has too many header fields, or they are too large.",
            "There are more than 100 of them, or together they exceed `limits.header_bytes`.",
            "Remove headers that the service does not read; cookies are the usual cause.",
        ],
        Code::UriTooLong => [
            "The path, with its query, is too long.",
            "It exceeds 8 KiB.",
            "All paths of the service are short; send texts in the body.",
        ],
        Code::MisdirectedRequest => [
            "The request is addressed to another host.",
            "The Host header, or the authority in HTTP/2, is neither the address that the service \
             listens on nor one of `server.hosts`. This protects against web pages that point \
             their name at this machine (DNS rebinding).",
            "Use an address of the service, or add the host to `server.hosts`.",
        ],
        Code::RequestTooExpensive => [
            "The request alone is more work than the service accepts at once.",
            "Its tokens x rows x layers exceed `engine.queued_work`, even if the service is idle.",
            "Send fewer inputs, methods, targets or steps per request. POST /estimate returns the \
             cost and the limit.",
        ],
        Code::ResponseTooLarge => [
            "The response would be too large.",
            "The requested attention exceeds `limits.attention_values`, or the response exceeds \
             `limits.response_bytes`.",
            "Select layers and heads of attention, send smaller requests, or accept \
             application/x-safetensors.",
        ],
        Code::Overloaded => [
            "The service has as much work as it can finish in time.",
            "The work in flight leaves no capacity for the request, or the request could not \
             finish before its deadline.",
            "Send it again after the seconds in Retry-After. A cheaper request may be accepted \
             earlier.",
        ],
        Code::ResponsesUnsent => [
            "Too many bytes of responses are waiting to be read.",
            "The responses that clients have not read yet exceed \
             `limits.response_mebibytes_total` in total.",
            "Read the open responses, and send the request again after Retry-After.",
        ],
        Code::RateLimited => [
            "The key has used its quota.",
            "It has sent more requests than `limits.key_requests_per_minute`, or has more in \
             flight than `limits.key_requests`.",
            "Wait for the seconds in Retry-After, and wait for responses before sending more \
             requests.",
        ],
        Code::DeadlineExceeded => [
            "The request did not finish in time.",
            "The time limit was exceeded: the shortest of `budget_ms`, X-Request-Timeout and \
             `limits.request_ms`.",
            "Allow more time, or request less. Sampling methods stop in time and report it: GET \
             /methods marks them with `stops_in_time`.",
        ],
        Code::PredictorFailed => [
            "The server that predicts the model did not give a usable answer.",
            "The service explains a model of another server, and that server cannot be reached, \
             answered with an error, or with something else than finite scores of all texts.",
            "Look at the log of that server. If its answers have another form, configure the service \
             (`predictor.labels`, `predictor.input`, `predictor.output`).",
        ],
        Code::RequestTimeout => [
            "The request did not arrive in time.",
            "The body was not received completely within `limits.request_ms`.",
            "Send it again, over a faster connection or in smaller parts.",
        ],
        Code::NotReady => [
            "The service, or the requested model, cannot respond now.",
            "Models are still loading, the model could not be loaded, or passes fail.",
            "If the response has a Retry-After header, send the request again after it. Otherwise \
             GET /models shows what failed, and the operator has to fix it.",
        ],
        Code::Draining => [
            "The service is shutting down.",
            "It completes the requests in flight and accepts no new ones.",
            "Send the request again over a new connection, to another instance or after the \
             restart.",
        ],
        Code::Internal => [
            "The service failed.",
            "There is a bug in the service, or a fault in the system that it runs on.",
            "Report it with its `request_id`, under which the log has the cause. The same request \
             may succeed later.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_are_unique_sentences() {
        let mut texts = Vec::new();
        for code in Code::ALL {
            for text in guide(*code) {
                assert!(text.ends_with('.') && !text.contains("  "), "{code:?}: {text}");
                assert!(!texts.contains(&text), "{code:?} repeats another text: {text}");
                texts.push(text);
            }
        }
    }
}
