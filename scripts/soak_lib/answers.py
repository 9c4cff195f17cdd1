"""Whether an answer is the one that the same request had when it was asked alone."""

import json
import re

from .pool import NOBODY

# Texts of a page that say how long something took; prices that follow the pace.
TOOK = re.compile(rb"[0-9.]+ ms")
PACE = re.compile(rb'"(expected_ms|queue_ms|cost)":[0-9.e-]+')
# Of answers that time stopped.
STOPPED = re.compile(rb'"finished": ?false|"not_measured"|"deadline_exceeded"'
                     rb'|not finished within|ran out of time')
UNSETTLED = re.compile(rb'"converged": ?false|Read with care')


class Wrong(Exception):
    """An answer that is not the expected one."""


def normal(request, body, sender):
    """What of an answer may not change, with nobody as its sender."""
    body = body.replace(sender, NOBODY)
    if request.path == "/estimate":
        return PACE.sub(b"", body)
    if request.accept == "application/x-ndjson":
        lines = [line for line in body.splitlines() if b'"progress":' not in line[:40]]
        return b"\n".join(sorted(without_usage(line) for line in lines))
    if request.accept == "text/html":
        return TOOK.sub(b"", body)
    if request.accept == "application/x-safetensors":
        return tensors(body)
    return without_usage(body)


def without_usage(body):
    """`usage` comes last, and says how long it took."""
    return body.rsplit(b'"usage":', 1)[0]


def tensors(body):
    """The header without `usage`, then the numbers."""
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8:8 + size])
    said = json.loads(header.pop("__metadata__")["explaind"])
    said.pop("usage")
    return json.dumps([header, said], sort_keys=True).encode() + body[8 + size:]


def check(request, answer, number):
    """Gives `exact`, or `by form` where time stopped the work; raises Wrong."""
    body = answer.plain()
    given = normal(request, body, b"s%08d" % number)
    if given == request.expected:
        return "exact"
    stopped = request.hurried or STOPPED.search(given)
    # Steps that adapt stop as well, and say that the scores are not yet what they could be.
    stopped = stopped or len(UNSETTLED.findall(given)) > len(UNSETTLED.findall(request.expected))
    if stopped and request.accept != "application/json":
        return "by form"
    if stopped:
        if alike(outline(given), outline(request.expected)):
            return "by form"
        raise Wrong("an answer that time stopped has another form than expected")
    at = next((i for i, (a, b) in enumerate(zip(given, request.expected)) if a != b),
              min(len(given), len(request.expected)))
    part = slice(max(0, at - 60), at + 60)
    raise Wrong(f"another answer than expected, from byte {at}: {given[part]!r} "
                f"in place of {request.expected[part]!r}")


def alike(given, expected):
    """Whether each result has the form of the expected one, or has its place alone."""
    (model, results), (other, others) = given, expected
    same = (one == two or one == two[1][0] for one, two in zip(results, others))
    return model == other and len(results) == len(others) and all(same)


def outline(body):
    """What is the same however little time there was: of a result that time left nothing
    of, its id."""
    body = json.loads(body.rstrip(b",") + b"}")
    outlined = []
    for result in body["results"]:
        if result.get("error", {}).get("code") == "deadline_exceeded":
            outlined.append(result["id"])
            continue
        methods = [entry["method"] for entry in result.get("explanations", ())]
        keys = ("id", "predictions", "tokens", "words", "error", "truncated")
        outlined.append([methods, [result.get(key) for key in keys]])
    return body["model"], outlined
