"""The attacks. Each is given the service and gives what it saw that was wrong."""

import json
import threading
import time

from soak_lib.wire import Connection, Lost, message

TEXT = " ".join(["wonderful"] * 118)
MEGABYTE = "word " * 200_000
JSON = [("content-type", "application/json")]


def body(path, fields, headers=()):
    return message("POST", path, [*JSON, *headers], json.dumps(fields).encode())


def at_once(*works):
    """Runs all of them side by side; what each of them gave."""
    found = [None] * len(works)

    def run(place, work):
        found[place] = work()
    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found


def refused(service, request, status, code):
    """Sends a request and says where its answer is not this refusal."""
    try:
        with Connection(service.address) as connection:
            answer = connection.ask(request)
    except Lost as lost:
        return [f"no answer: {lost}"]
    said = json.loads(answer.plain() or b"{}").get("code")
    return [] if (answer.status, said) == (status, code) else [f"{answer.status} {said}"]


def sum_of(lists):
    """One list of all; a caller that has none never came back."""
    lost = ["a caller never came back"]
    return [item for found in lists for item in (lost if found is None else found)]


def named_often(service):
    fields = {"inputs": TEXT, "granularity": ["token"] * 40_000, "methods": ["saliency"] * 100}
    found = refused(service, body("/explain", fields), 422, "invalid_field")
    fields |= {"methods": ["saliency"] * 20}
    return found + refused(service, body("/estimate", fields), 422, "invalid_field")


def many_methods(service):
    ask = lambda count: lambda: refused(
        service, body("/explain", {"inputs": "a b c d", "methods": ["saliency"] * count}),
        422, "invalid_field")
    return sum_of(at_once(ask(12_000), ask(12_000), ask(2_500)))


def many_parts(service):
    """Lists of every other kind that could go on for ever."""
    spans = [[n, n + 1] for n in range(50_000)]
    return sum_of([
        refused(service, body("/explain", {"inputs": TEXT, "spans": spans}), 422, "invalid_field"),
        refused(service, body("/explain", {"inputs": ["a"] * 10_000}), 422, "invalid_field"),
        refused(service, body("/explain", {"inputs": TEXT, "attention": {"layers": [0] * 90_000}}),
                422, "invalid_field"),
        refused(service, body("/explain", {"inputs": TEXT, "evaluate": {
            "thresholds": [0.5] * 90_000}}), 422, "invalid_field"),
        refused(service, body("/explain", {"inputs": TEXT, "methods": [
            {"name": "integrated_gradients", "baseline": {"text": MEGABYTE[:900_000]}}]}),
            422, "invalid_field"),
        refused(service, message("POST", "/explain", JSON, b"[" * 500_000), 422, "invalid_field"),
    ])


def leaving(service, rounds):
    """Callers who send a long text and do not wait for the answer."""
    kinds = [("/explain", {}), ("/explain", {"truncate": True}), ("/estimate", {}),
             ("/explain", {"window": {"stride": 16}})]

    def caller(place):
        path, fields = kinds[place % len(kinds)]
        request = body(path, {"inputs": MEGABYTE, **fields})
        for _ in range(rounds):
            with Connection(service.address) as connection:
                try:
                    connection.open().sendall(request)
                    time.sleep(0.3)
                except OSError:
                    pass
        return []
    return sum_of(at_once(*[lambda place=place: caller(place) for place in range(8)]))


def reading_nothing(service, seconds):
    """Callers who ask for as much as there is and read none of it."""
    inputs = ["word " * 120] * 7
    fields = {"inputs": inputs, "methods": [], "attention": {"layers": [-1], "heads": "all"}}
    request = body("/explain", fields)
    held = [Connection(service.address, window=4_096) for _ in range(40)]
    for connection in held:
        connection.open().sendall(request)
    time.sleep(seconds)
    for connection in held:
        connection.close()
    return []


def greedy(service, seconds):
    """Requests that ask for as much as one may, over and over."""
    texts = [f"{n} {TEXT}" for n in range(60)]
    kinds = [{"inputs": texts, "methods": ["lime"]},
             {"inputs": texts, "methods": ["integrated_gradients"], "evaluate": "all"},
             {"inputs": TEXT, "methods": [{"name": "lime", "max_evals": n} for n in range(90, 122)]}]
    until = time.monotonic() + seconds

    def caller(fields):
        while time.monotonic() < until:
            with Connection(service.address) as connection:
                try:
                    answer = connection.ask(body("/explain", {**fields, "budget_ms": 3_000}))
                except Lost as lost:
                    return [f"no answer: {lost}"]
            if answer.status not in (200, 429, 504):
                return [f"{answer.status}: {answer.plain()[:200]!r}"]
        return []
    return sum_of(at_once(*[lambda fields=fields: caller(fields) for fields in kinds * 2]))


def large_bodies(service):
    """What is too large is told so, however much of it comes."""
    large = message("POST", "/explain", JSON, b" " * (8 << 20))
    return sum_of(at_once(*[lambda: refused(service, large, 413, "payload_too_large")] * 4))


def other_names(service):
    """A page whose name was pointed at this machine, and management without a key."""
    found = []
    for path in ("/models", "/metrics", "/livez"):
        evil = message("GET", path).replace(b"host: 127.0.0.1", b"host: evil.example")
        found += refused(service, evil, 421, "misdirected_request")
    found += refused(service, message("DELETE", "/models/sentiment-en"), 401, "unauthorized")
    load = message("PUT", "/models/x", JSON, b'{"source": "builtin:sentiment-en"}')
    return found + refused(service, load, 401, "unauthorized")


def every_connection(service, connections):
    """Idle clients who keep all connections open."""
    held = [Connection(service.address) for _ in range(connections)]
    for connection in held:
        connection.ask(message("GET", "/livez"))
    time.sleep(1)
    for connection in held:
        connection.close()
    return []


def half_heads(service, count):
    held = [Connection(service.address) for _ in range(count)]
    for connection in held:
        connection.open().sendall(b"POST /explain HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-")
    time.sleep(1)
    for connection in held:
        connection.close()
    return []
