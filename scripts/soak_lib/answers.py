"""Compares a response with that of the same request when it was sent alone."""

import json
import re

from .pool import NOBODY

# Times on a page; estimates that depend on the current speed.
TOOK = re.compile(rb"[0-9.]+ ms")
PACE = re.compile(rb'"(expected_ms|queue_ms|cost)":[0-9.e-]+')
# Marks of responses that were limited by time.
STOPPED = re.compile(rb'"finished": ?false|"not_measured"|"deadline_exceeded"'
                     rb'|not finished within|ran out of time')
UNSETTLED = re.compile(rb'"converged": ?false|Read with care')


class Wrong(Exception):
    """An unexpected response."""


def normal(request, body, sender):
    """Returns the deterministic part of a response, with NOBODY in place of the sender."""
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
    """Removes `usage`, which is last and contains times."""
    return body.rsplit(b'"usage":', 1)[0]


def tensors(body):
    """Returns the header without `usage`, followed by the numbers."""
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8:8 + size])
    metadata = json.loads(header.pop("__metadata__")["explaind"])
    metadata.pop("usage")
    return json.dumps([header, metadata], sort_keys=True).encode() + body[8 + size:]


def check(request, answer, number):
    """Returns `exact`, or `by form` for a response limited by time; raises Wrong."""
    body = answer.plain()
    given = normal(request, body, b"s%08d" % number)
    if given == request.expected:
        return "exact"
    stopped = request.hurried or STOPPED.search(given)
    # Adaptive steps stop early as well; their scores are then not converged.
    stopped = stopped or len(UNSETTLED.findall(given)) > len(UNSETTLED.findall(request.expected))
    if stopped and request.accept != "application/json":
        return "by form"
    if stopped:
        if alike(outline(given), outline(request.expected)):
            return "by form"
        raise Wrong("a response limited by time has another form than expected")
    at = next((i for i, (a, b) in enumerate(zip(given, request.expected)) if a != b),
              min(len(given), len(request.expected)))
    part = slice(max(0, at - 60), at + 60)
    raise Wrong(f"an unexpected response from byte {at}: {given[part]!r} "
                f"instead of {request.expected[part]!r}")


def alike(given, expected):
    """Whether each result has the form of the expected one, or only its id."""
    (model, results), (other, others) = given, expected
    same = (one == two or one == two[1][0] for one, two in zip(results, others))
    return model == other and len(results) == len(others) and all(same)


def outline(body):
    """Returns the parts that do not depend on the time available: only the id of a result
    without anything else."""
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
