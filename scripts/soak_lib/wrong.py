"""Invalid and oversized requests, and their expected errors."""

import gzip
import json

from .service import AS_ADMIN
from .tally import problem
from .texts import HOSTILE, MARKERS
from .wire import Connection, Lost, message

MARK = MARKERS[0]
JSON = (("content-type", "application/json"),)
GZIP = (*JSON, ("content-encoding", "gzip"))
# Rejected by the HTTP library: a status without a problem document.
NO_REQUEST = "no request"


def post(body, path="/explain", headers=JSON, method="POST"):
    body = json.dumps(body) if not isinstance(body, (bytes, str)) else body
    return message(method, path, headers, body.encode() if isinstance(body, str) else body)


def malformed():
    for body in ('{"inputs": "%s"' % MARK, "", "{'inputs': '%s'}" % MARK,
                 '{"inputs": "a"} %s' % MARK, '{"inputs": NaN}',
                 '{"inputs": "\\ud800 %s"}' % MARK, b'{"inputs": "\xff"}',
                 b'\xef\xbb\xbf{"inputs": "a"}', b"\x00"):
        yield post(body), 400, "invalid_json"
    yield post(gzip.compress(b"{}")[:12], headers=GZIP), 400, "invalid_json"
    # The type is checked before the end of the body.
    for body in ("[]", "null", f'"{MARK}"', '{"inputs": "a", "inputs": "b"}', "[1, 2",
                 '{"inputs": ' + "[" * 5000):
        yield post(body), 422, "invalid_field"


def fields():
    """Invalid fields together with a valid text."""
    for wrong in (
        {MARK: 1}, {"inputs": 5}, {"inputs": {"text": MARK, "id": []}}, {"inputs": {"txt": MARK}},
        {"methods": 5}, {"methods": [{"name": "saliency", "n_steps": 4}]},
        {"methods": [{"name": "lime", "max_evals": "many"}]},
        {"methods": [{"name": "integrated_gradients", "n_steps": 0}]},
        {"methods": [{"norm": "l2"}]},
        {"target": {"contrast": [0, 0]}}, {"target": {"contrast": [0, 1, 2]}}, {"target": []},
        {"target": {"index": 0, "label": "POSITIVE"}}, {"attention": {"layers": [99]}},
        {"attention": {"kind": "rollout", "heads": "all"}}, {"attention": 7}, {"output": MARK},
        {"window": {"stride": 4}, "truncate": True}, {"spans": [[0, 3], [2, 5]]},
        {"spans": [[5, 3]]}, {"spans": [[0, 10**9]]}, {"inputs": [MARK], "spans": [[0, 1]]},
        {"granularity": "span"}, {"normalize": "l3"}, {"seed": -1}, {"seed": 2**64}, {"seed": 1.5},
        {"budget_ms": 0}, {"evaluate": MARK}, {"evaluate": {"thresholds": []}}, {"truncate": MARK},
    ):
        yield post({"inputs": f"fine {MARK}", **wrong}), 422, "invalid_field"
    for empty in ("", "  ", [], ["", ""], {"text": ""}):
        yield post({"inputs": empty}), 422, "input_empty"
    for target in (MARK, {"label": MARK}, {"index": 9}, {"token": 1, "index": 0}, {"position": "start"}):
        yield post({"inputs": MARK, "target": target}), 422, "target_not_found"
    for methods in (MARK, [MARK]):
        yield post({"inputs": MARK, "methods": methods}), 422, "method_not_supported"
    yield post({"inputs": MARK, "methods": ["lime"]}, "/predict"), 422, "invalid_field"


def routes():
    """Invalid models, paths, methods and headers."""
    for text in (MARK, *HOSTILE):
        yield post({"inputs": "a", "model": text.format(MARK)}), 404, "model_not_found"
    for kind in ("text/plain", "multipart/form-data; boundary=x", f"application/{MARK}"):
        yield post("{}", headers=(("content-type", kind),)), 415, "unsupported_media_type"
    yield post("{}", headers=()), 415, "unsupported_media_type"
    yield post("{}", headers=(*JSON, ("content-encoding", "br"))), 415, "unsupported_media_type"
    for kind in ("image/png", MARK, "*/*;q=0", "application/jsonl"):
        for path in ("/explain", "/predict", "/explain/compare", "/estimate"):
            accepted = (*JSON, ("accept", kind))
            yield post({"inputs": MARK}, path, accepted), 406, "not_acceptable"
    for path in (f"/{MARK}", "/explain/", "//explain", "/%00", f"/%1b[31m?{MARK}", "/.git/config"):
        yield message("GET", path), 404, "not_found"
    yield message("GET", f"/models/{MARK}"), 404, "model_not_found"
    yield message("GET", "/models/%ff"), 400, "bad_request"
    for method, path in (("GET", "/explain"), ("DELETE", "/predict"), ("POST", "/livez"),
                         ("PATCH", "/models/sentiment-en"), ("TRACE", "/"), ("BREW", "/metrics")):
        yield message(method, path), 405, "method_not_allowed"
    odd = [("x-request-id", "a" * 5000), ("cookie", MARK * 100), ("authorization", MARK)]
    odd += [(f"x-{i}", MARK) for i in range(80)]
    yield post({"inputs": ""}, headers=(*JSON, *odd)), 422, "input_empty"
    yield message("DELETE", "/models/nobody", [AS_ADMIN]), 404, "model_not_found"
    yield message("DELETE", "/models/nobody"), 401, "unauthorized"
    source = {"source": "builtin:sentiment-en"}
    yield post(source, "/models/odd", method="PUT"), 401, "unauthorized"
    for source in ("builtin:nothing", "", "/no/such/folder", 7):
        yield post({"source": source}, "/models/odd", (*JSON, AS_ADMIN), "PUT"), 422, "invalid_field"


def no_requests():
    for head in (b"%s\r\n\r\n" % MARK.encode(), b"\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 b"GET /a b HTTP/1.1\r\n\r\n", b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nx: \x1b[31m\r\n\r\n",
                 b"POST /explain HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
                 b"POST /explain HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"):
        yield head, 400, NO_REQUEST
    yield message("GET", "/" + "x" * 80_000), 414, NO_REQUEST
    yield message("GET", "/livez", [(f"x-{i}", "y") for i in range(200)]), 431, NO_REQUEST


def oversized():
    big = b'{"inputs": "' + b"a" * (3 << 20) + b'"}'
    yield post(big), 413, "payload_too_large"
    chunks = b"".join(b"%x\r\n%s\r\n" % (65536, b"a" * 65536) for _ in range(40))
    unmeasured = (*JSON, ("transfer-encoding", "chunked"))
    yield message("POST", "/predict", unmeasured) + chunks + b"0\r\n\r\n", 413, "payload_too_large"
    bomb = gzip.compress(b'{"inputs": "' + b"a" * (64 << 20) + b'"}')
    yield post(bomb, headers=GZIP), 413, "payload_too_large"
    twice = (*JSON, ("content-encoding", "gzip, gzip"))
    yield post(gzip.compress(bomb), headers=twice), 415, "unsupported_media_type"
    long = f"{MARK} word " * 200
    yield post({"inputs": long}), 422, "input_too_long"
    yield post({"inputs": [long] * 64}), 422, "input_too_long"
    yield post({"inputs": "a " * 500_000}), 422, "input_too_long"
    yield post({"inputs": ["a"] * 65}), 422, "invalid_field"
    costly = [{"name": "integrated_gradients", "n_steps": 1998 + n} for n in range(3)]
    texts = [f"{MARK} good " * 20] * 64
    yield post({"inputs": texts, "methods": costly}), 422, "request_too_expensive"
    yield post({"inputs": ["good " * 100] * 64, "attention": True}), 422, "response_too_large"


INVALID = (malformed, fields, routes, no_requests)
OVERSIZED = (oversized,)


def ask(kind, cases, pause):
    """Returns a client that repeats these requests."""
    def work(load, rng):
        prepared = [case for make in cases for case in make()]
        while not load.over.wait(pause):
            sent, status, code = rng.choice(prepared)
            with Connection(load.address) as connection:
                try:
                    answer = connection.ask(sent)
                except Lost as lost:
                    # A body that is rejected before its end can prevent the response from arriving.
                    cut = kind == "oversized" and len(sent) > 1 << 20
                    load.tally.note(kind, "cut off" if cut else "lost")
                    if not cut:
                        load.tally.violation(f"{kind}: a response was lost: {lost}", sent[:2000])
                    continue
            load.tally.note(kind, answer.status)
            actual = NO_REQUEST
            if code != NO_REQUEST:
                actual = problem(load.tally, kind, answer, sent[:2000])
            if (answer.status, actual) != (status, code):
                what = f"{kind}: {answer.status} {actual} instead of {status} {code}"
                load.tally.violation(what, sent[:2000])
    work.__name__ = f"wrong_{kind}"
    return work
