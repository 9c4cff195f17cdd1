"""What schemathesis has to be told of explaind; scripts/contract loads it."""

import json
import re
import zlib

import schemathesis

# As often as all others together JSON, which has a schema to be held against.
FORMS = [
    *["application/json"] * 4,
    "application/x-ndjson",
    "application/x-safetensors",
    "image/svg+xml",
    "text/html",
]

# A body that the description allows may still ask for what the model or the text
# does not have, or for what does not go together: these codes, and at these places.
CODES = {
    "input_empty",  # white space alone
    "input_too_long",
    "method_not_supported",
    "request_too_expensive",
    "response_too_large",
    "target_not_found",
}
PLACES = re.compile(
    r"""
      /model                            # auto, and a script that no model reads
    | /source                           # no such folder
    | /inputs/\d+                       # scripts of two kinds in one list
    | (/inputs(/\d+)?)?/spans(/\d+)?    # outside of the text, one over another, or beside a list
    | /attention/(kind|heads(/\d+)?|layers(/\d+)?)
    | /methods/\d+(/(baseline(/text)?|max_steps|n_steps|quadrature|replacement|unit))?
    | /(granularity|evaluate|evaluate/measures)/\d+     # named twice
    | /target/(contrast|token)
    | /truncate                         # beside window
    | /candidate_labels(/\d+)?          # another task, or one that is named twice or blank
    | /(explain_hypothesis|hypothesis_template|multi_label)     # without candidates
    | /(handle_impossible_answer|max_answer_len|top_k)          # another task
    | /window(/stride|/combine)?
    """,
    re.VERBOSE,
)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for path in raw_schema["paths"].values():
        for operation in path.values():
            # Keys are optional where none is configured; here they are.
            operation["security"] = [way for way in operation.get("security", []) if way]
            # The description is of a line; here an answer is the list of its lines.
            content = operation["responses"].get("200", {}).get("content", {})
            lines = content.get("application/x-ndjson")
            if lines:
                lines["schema"] = {"type": "array", "items": lines["schema"]}


@schemathesis.deserializer("application/x-ndjson")
def lines(context, response):
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Writes integers as the service reads them, and asks for each form in turn, the
    same one for the same body."""
    case.body = plain(case.body)
    if case.operation.label == "POST /explain":
        form = FORMS[zlib.crc32(repr(case.body).encode()) % len(FORMS)]
        case.headers.setdefault("Accept", form)


def plain(value):
    """To a schema 1.0 and 2 to the 70th are integers like others."""
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
def refused_for_a_reason(context, response, case):
    """The schema says all that it can: of a body that it allows, only what no schema
    could know is refused."""
    positive = case.meta is None or case.meta.generation.mode.is_positive
    if response.status_code != 422 or not positive:
        return
    problem = response.json()
    place, detail = problem.get("pointer", ""), problem["detail"]
    if problem["code"] not in CODES and not PLACES.fullmatch(place):
        raise AssertionError(f"the schema allows what is refused at {place!r}: {detail}")
