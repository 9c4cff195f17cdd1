"""Hooks and checks of schemathesis for explaind; scripts/contract loads them."""

import json
import re
import zlib

import schemathesis

# JSON as often as all others together, as it has a schema.
FORMS = [
    *["application/json"] * 4,
    "application/x-ndjson",
    "application/x-safetensors",
    "image/svg+xml",
    "text/html",
]

# A body that conforms to the schema may still request something that the model or the text does
# not have, or fields that cannot be combined: the allowed codes and pointers of these errors.
CODES = {
    "input_empty",  # only white space
    "input_too_long",
    "method_not_supported",
    "request_too_expensive",
    "response_too_large",
    "target_not_found",
}
POINTERS = re.compile(
    r"""
      (/parameters)?(                   # of KServe's V1 protocol
      /model                            # auto, and a script without a model
    | /source                           # a missing folder
    | /(inputs|instances)/\d+                       # different scripts in one list
    | (/(inputs|instances)(/\d+)?)?/spans(/\d+)?    # outside of the text, overlapping, or with a list
    | /(inputs|instances)(/\d+)?/rationale(/\d+)?   # outside of the text
    | /inside(/\d+)?                    # duplicates, a text too long for it
    | /concepts(/\d+)?                 # of another model
    | /name | /(concept|contrast)(/\d+(/\w+)*)?     # reserved, numbers of texts, repetition
    | /lexicon                          # too many words
    | /attention/(kind|heads(/\d+)?|layers(/\d+)?)
    | /methods/\d+(/(baseline(/text)?|layer|max_steps|n_steps|quadrature|replacement|unit))?
    | /(granularity|evaluate|evaluate/measures)/\d+     # duplicates
    | /target(/(contrast|token))?       # `all` for TorchServe's routes, combinations
    | /truncate                         # with window
    | /candidate_labels(/\d+)?          # another task, duplicates, or blank
    | /(explain_hypothesis|hypothesis_template|multi_label)     # without candidates
    | /(handle_impossible_answer|max_answer_len|top_k)          # another task
    | /window(/stride|/combine)?
    | /evidence(/examples(/corpus|/k)?)?  # of the model, unknown names, with window
    | /k | /corpus | /groups(/\d+)? | /properties(/\d+)? | /keep(/\d+)? | /pairs(/\d+)? | /to       # limits, unknown names, duplicates
    | /(depth|fill(/model)?|max_rows|n_samples|order|precision) # the other kind of rule
    | /layer | /path | /pooling | /samples(/\d+(/\w+)?)?       # of the model, or without a file
    )
    | /(model|version)                  # of KServe's paths
    # The Open Inference Protocol: names, types, shapes and parameters, which the schema leaves open
    | /inputs(/\d+(/(name|shape|datatype|data|parameters)(/[^/]*)*)?)?
    | /outputs(/\d+(/(name|parameters)(/[^/]*)*)?)?
    | /parameters(/[^/]*)?
    """,
    re.VERBOSE,
)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for path in raw_schema["paths"].values():
        for operation in path.values():
            # Keys are optional in general, but this service has some.
            operation["security"] = [scheme for scheme in operation.get("security", []) if scheme]
            # The schema describes a line; `lines` below returns the list of lines.
            content = operation["responses"].get("200", {}).get("content", {})
            lines = content.get("application/x-ndjson")
            if lines:
                lines["schema"] = {"type": "array", "items": lines["schema"]}


@schemathesis.deserializer("application/x-ndjson")
def lines(context, response):
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Converts integers to the service's range and selects a response format by the body."""
    case.body = plain(case.body)
    if case.operation.label == "POST /explain":
        form = FORMS[zlib.crc32(repr(case.body).encode()) % len(FORMS)]
        case.headers.setdefault("Accept", form)


def plain(value):
    """For JSON Schema, 1.0 and 2**70 are integers too."""
    match value:
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case float() if value.is_integer():
            return plain(int(value))
        case int() if abs(value) >= 2**63:
            return value % 2**63
    return value


@schemathesis.check
def rejected_for_a_reason(context, response, case):
    """Bodies that conform to the schema are rejected only for reasons that it cannot express."""
    positive = case.meta is None or case.meta.generation.mode.is_positive
    if response.status_code != 422 or not positive:
        return
    problem = response.json()
    pointer, detail = problem.get("pointer", ""), problem["detail"]
    # Built-in corpora can be neither replaced nor removed.
    names = {"sentiment-en", "sentiment-zh"}
    built_in = case.operation.path == "/corpora/{id}" and case.path_parameters["id"] in names
    if problem["code"] not in CODES and not POINTERS.fullmatch(pointer) and not built_in:
        raise AssertionError(f"the schema allows what is rejected at {pointer!r}: {detail}")


@schemathesis.check
def unavailable_for_a_reason(context, response, case):
    """The service is ready; only a corpus may not be, and then the response says when to retry."""
    if response.status_code != 503:
        return
    problem = response.json()
    waiting = problem["code"] == "not_ready" and "is being embedded" in problem["detail"]
    if not waiting or "retry-after" not in response.headers:
        raise AssertionError(f"503 without a reason to wait for: {problem['detail']}")
