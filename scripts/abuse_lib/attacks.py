"""The attacks. Each takes the service and returns a list of errors."""

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
    """Runs all functions concurrently and returns their results."""
    results = [None] * len(works)

    def run(index, work):
        results[index] = work()
    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


def rejected(service, request, status, code):
    """Sends a request and returns an error if the response does not have this status and code."""
    try:
        with Connection(service.address) as connection:
            answer = connection.ask(request)
    except Lost as lost:
        return [f"no response: {lost}"]
    actual = json.loads(answer.plain() or b"{}").get("code")
    return [] if (answer.status, actual) == (status, code) else [f"{answer.status} {actual}"]


def sum_of(lists):
    """Concatenates lists of errors; `None` is a client that did not finish."""
    unfinished = ["a client did not finish"]
    return [item for errors in lists for item in (unfinished if errors is None else errors)]


def duplicates(service):
    fields = {"inputs": TEXT, "granularity": ["token"] * 40_000, "methods": ["saliency"] * 100}
    errors = rejected(service, body("/explain", fields), 422, "invalid_field")
    fields |= {"methods": ["saliency"] * 20}
    return errors + rejected(service, body("/estimate", fields), 422, "invalid_field")


def many_methods(service):
    ask = lambda count: lambda: rejected(
        service, body("/explain", {"inputs": "a b c d", "methods": ["saliency"] * count}),
        422, "invalid_field")
    return sum_of(at_once(ask(12_000), ask(12_000), ask(2_500)))


def long_lists(service):
    """Lists of every other kind that could be very long."""
    spans = [[n, n + 1] for n in range(50_000)]
    return sum_of([
        rejected(service, body("/explain", {"inputs": TEXT, "spans": spans}), 422, "invalid_field"),
        rejected(service, body("/explain", {"inputs": ["a"] * 10_000}), 422, "invalid_field"),
        rejected(service, body("/explain", {"inputs": TEXT, "attention": {"layers": [0] * 90_000}}),
                422, "invalid_field"),
        rejected(service, body("/explain", {"inputs": TEXT, "evaluate": {
            "thresholds": [0.5] * 90_000}}), 422, "invalid_field"),
        rejected(service, body("/explain", {"inputs": TEXT, "methods": [
            {"name": "integrated_gradients", "baseline": {"text": MEGABYTE[:900_000]}}]}),
            422, "invalid_field"),
        rejected(service, message("POST", "/explain", JSON, b"[" * 500_000), 422, "invalid_field"),
    ])


def evidence(service):
    """Long lists, texts and counts in requests for evidence, and corpora without a key."""
    pairs = [[f"a{n}", f"b{n}"] for n in range(30_000)]
    samples = [{"text": "a", "label": "b"}] * 20_000
    refused = [
        ("/probe", {"pairs": pairs}), ("/estimate/probe", {"pairs": pairs}),
        ("/probe", {"groups": ["gender"] * 40_000}), ("/examples", {"k": 2**53}),
        ("/counterfactuals", {"n": 2**53}), ("/counterfactuals", {"keep": ["a"] * 90_000}),
        ("/rules", {"max_rows": 2**53}), ("/rules", {"kind": "tree", "n_samples": 2**53}),
        ("/rules", {"kind": "tree", "depth": 60}),
    ]
    upload = message("PUT", "/corpora/x", JSON, json.dumps(
        {"model": "sentiment-en", "samples": samples}).encode())
    return sum_of([
        *(rejected(service, body(path, {"inputs": TEXT, **fields}), 422, "invalid_field")
          for path, fields in refused),
        *(rejected(service, body(path, {"inputs": MEGABYTE}), 422, "input_too_long")
          for path in ("/probe", "/examples", "/counterfactuals", "/rules")),
        rejected(service, upload, 401, "unauthorized"),
    ])


def disconnecting(service, rounds):
    """Clients that send a long text and disconnect before the response."""
    kinds = [("/explain", {}), ("/explain", {"truncate": True}), ("/estimate", {}),
             ("/explain", {"window": {"stride": 16}}), ("/rules", {"truncate": True}),
             ("/counterfactuals", {"truncate": True})]

    def caller(number):
        path, fields = kinds[number % len(kinds)]
        request = body(path, {"inputs": MEGABYTE, **fields})
        for _ in range(rounds):
            with Connection(service.address) as connection:
                try:
                    connection.open().sendall(request)
                    time.sleep(0.3)
                except OSError:
                    pass
        return []
    return sum_of(at_once(*[lambda number=number: caller(number) for number in range(8)]))


def reading_nothing(service, seconds):
    """Clients that request large responses and do not read them."""
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
    """Repeats the most expensive requests that are within the limits."""
    texts = [f"{n} {TEXT}" for n in range(60)]
    many = [{"name": "lime", "max_evals": n} for n in range(90, 122)]
    kinds = [("/explain", {"inputs": texts, "methods": ["lime"]}),
             ("/explain", {"inputs": texts, "methods": ["integrated_gradients"], "evaluate": "all"}),
             ("/explain", {"inputs": TEXT, "methods": many}),
             ("/counterfactuals", {"inputs": texts, "n": 10}),
             ("/rules", {"inputs": texts, "precision": 0.999, "max_rows": 20_000})]
    until = time.monotonic() + seconds

    def caller(path, fields):
        while time.monotonic() < until:
            with Connection(service.address) as connection:
                try:
                    answer = connection.ask(body(path, {**fields, "budget_ms": 3_000}))
                except Lost as lost:
                    return [f"no response: {lost}"]
            if answer.status not in (200, 429, 504):
                return [f"{answer.status}: {answer.plain()[:200]!r}"]
        return []
    return sum_of(at_once(*[lambda kind=kind: caller(*kind) for kind in kinds * 2]))


def large_bodies(service):
    """Bodies that are too large get an error response after any number of bytes."""
    large = message("POST", "/explain", JSON, b" " * (8 << 20))
    return sum_of(at_once(*[lambda: rejected(service, large, 413, "payload_too_large")] * 4))


def other_hosts(service):
    """DNS rebinding, and changes of models without a key."""
    errors = []
    for path in ("/models", "/metrics", "/livez"):
        evil = message("GET", path).replace(b"host: 127.0.0.1", b"host: evil.example")
        errors += rejected(service, evil, 421, "misdirected_request")
    errors += rejected(service, message("DELETE", "/models/sentiment-en"), 401, "unauthorized")
    load = message("PUT", "/models/x", JSON, b'{"source": "builtin:sentiment-en"}')
    return errors + rejected(service, load, 401, "unauthorized")


def every_connection(service, connections):
    """Idle clients that keep all connections open."""
    held = [Connection(service.address) for _ in range(connections)]
    for connection in held:
        connection.ask(message("GET", "/livez"))
    time.sleep(1)
    for connection in held:
        connection.close()
    return []


def incomplete_heads(service, count):
    held = [Connection(service.address) for _ in range(count)]
    for connection in held:
        connection.open().sendall(b"POST /explain HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-")
    time.sleep(1)
    for connection in held:
        connection.close()
    return []
