"""Misbehaving clients: slow, disconnecting, and with incomplete requests."""

import json
import socket
import struct
import time

from .answers import Wrong, check
from .callers import send
from .service import REQUEST_MS
from .shapes import text
from .tally import problem
from .wire import Connection, Lost, message


def explain(**body):
    headers = [("content-type", "application/json"), ("accept", body.pop("accept", "*/*"))]
    return message("POST", "/explain", headers, json.dumps(body).encode())


class Trickle(Connection):
    """Sends a request in small pieces over some seconds."""

    def __init__(self, load, seconds):
        super().__init__(load.address)
        self.load, self.seconds = load, seconds

    def ask(self, request):
        try:
            made = self.open()
            step = max(1, len(request) // 40)
            for at in range(0, len(request), step):
                made.sendall(request[at:at + step])
                time.sleep(self.seconds / 40)
        except OSError:
            pass  # Rejected before the end: there is an error response.
        return self.answer()


def slow_to_send(load, rng):
    """Slow requests within the time limit succeed; those that never end get a timeout response."""
    light = [request for request in load.pool if request.alone < 0.2 and not request.guest]
    while not load.over.wait(0.2):
        request = rng.choice(light)
        if rng.random() < 0.8:
            with Trickle(load, rng.uniform(1, 6)) as connection:
                send(load, connection, request)
            load.tally.note("slow", "in time")
            continue
        headers = [("content-type", "application/json"), ("content-length", "100")]
        with Connection(load.address) as connection:
            connection.open().sendall(message("POST", "/explain", headers) + b'{"inputs": ')
            if load.over.wait(REQUEST_MS / 1000):
                return
            try:
                answer = connection.answer()
            except Lost as lost:
                load.tally.violation(f"slow: no response to an incomplete body: {lost}")
                continue
            load.tally.note("slow", answer.status)
            if problem(load.tally, "slow", answer) != "request_timeout":
                load.tally.violation(f"slow: {answer.status} to an incomplete body")


class SlowReader(Connection):
    """Reads its response in small pieces."""

    def receive(self):
        time.sleep(0.002)
        return super().receive()


def slow_to_read(load, rng):
    """Reads large responses slowly through a small TCP window, or not at all."""
    large = [request for request in load.pool if len(request.expected or b"") > 100_000]
    while large and not load.over.wait(0.2):
        request = rng.choice(large)
        number = next(load.numbers)
        with SlowReader(load.address, window=4096) as connection:
            connection.open().sendall(request.message(number))
            if rng.random() < 0.3:
                load.over.wait(rng.uniform(2, 15))
                load.tally.note("slow", "never read")
                continue
            try:
                answer = connection.answer()
                if answer.status == 200:
                    check(request, answer, number)
            except (Lost, Wrong) as error:
                load.tally.violation(f"slow: read slowly, {error}"[:300])
                continue
            load.tally.note("slow", f"read {answer.status}")


def reset(connection):
    """Closes the connection with a TCP reset."""
    linger = struct.pack("ii", 1, 0)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def gone(load, rng):
    """Disconnects before the response, or in the middle of a stream."""
    while not load.over.wait(0.1):
        with Connection(load.address) as connection:
            lines = rng.random() < 0.5
            connection.open().sendall(explain(
                inputs=[text(rng, "sentiment-en", 3) for _ in range(rng.choice((1, 8)))],
                methods=[rng.choice(("lime", "kernel_shap", "integrated_gradients"))],
                attention=rng.random() < 0.5,
                accept="application/x-ndjson" if lines else "application/json"))
            if lines:
                connection.socket.settimeout(2)
                try:
                    connection.socket.recv(600)
                except OSError:
                    pass
            load.over.wait(rng.uniform(0, 0.5))
            load.tally.note("cancelled", "lines" if lines else "waiting")
            if rng.random() < 0.5:
                reset(connection)


def half_open(load, rng):
    """Keeps connections with no request or an incomplete one open for a while."""
    whole = explain(inputs="Good.", attention=False)
    held = []
    while not load.over.wait(0.3):
        connection = Connection(load.address)
        what = rng.choice(("nothing", "half a line", "half a head", "half a body"))
        sent = {"nothing": b"", "half a line": b"POST /exp", "half a head": whole[:60],
                "half a body": whole[:-9]}[what]
        connection.open().sendall(sent)
        held.append((time.monotonic() + rng.uniform(1, 15), connection))
        load.tally.note("half-open", what)
        for end, old in [entry for entry in held if entry[0] < time.monotonic()]:
            held.remove((end, old))
            old.close()
        if rng.random() < 0.2:
            shut(load, whole)
    for _, connection in held:
        connection.close()


def shut(load, whole):
    """Shuts down the sending side: the service responds or closes the connection."""
    with Connection(load.address, patience=60) as connection:
        connection.open().sendall(whole)
        connection.socket.shutdown(socket.SHUT_WR)
        try:
            load.tally.note("half-open", f"shut, {connection.answer().status}")
        except Lost as lost:
            load.tally.note("half-open", "shut, closed")
            if "timed out" in str(lost):
                load.tally.violation("half-open: no response and no close after a shutdown")
