"""Well-behaved clients: senders of the pool, readers of models and methods, and probes."""

import itertools
import random
import threading
import time

from . import answers
from .tally import problem
from .wire import Connection, Lost, message

# Offered load relative to the capacity. More than the intended four, because a client that waits
# for its response falls behind its schedule.
OVERLOAD = 6
CALLERS = 640


class Load:
    """Shared state of all clients."""

    def __init__(self, address, pool, tally, seed):
        self.address, self.pool, self.tally, self.seed = address, pool, tally, seed
        self.over = threading.Event()
        self.numbers = itertools.count(1)
        self.threads = []

    def start(self, work, copies=1):
        """Runs `work(self, rng)` on threads until the load is over."""
        def guarded(rng):
            try:
                work(self, rng)
            except Exception as error:  # A silent failure would reduce the load unnoticed.
                self.tally.violation(f"error of the load generator in {work.__name__}: {error!r}")
                raise
        for copy in range(copies):
            rng = random.Random(f"{self.seed} {work.__name__} {copy}")
            thread = threading.Thread(target=guarded, args=(rng,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(120)
            if thread.is_alive():
                self.tally.violation("a client did not finish")


def send(load, connection, request):
    """Sends a request and checks the response."""
    number, tally = next(load.numbers), load.tally
    sent = request.message(number)
    start = time.monotonic()
    try:
        answer = connection.ask(sent)
        seconds = time.monotonic() - start
        how = answers.check(request, answer, number) if answer.status == 200 else None
    except Lost as lost:
        tally.note(request.kind, "lost")
        return tally.violation(f"{request.kind}: a response was lost: {lost}", sent)
    except (answers.Wrong, ValueError, KeyError) as wrong:
        tally.note(request.kind, "wrong")
        return tally.violation(f"{request.kind}: {wrong}"[:300], sent)
    tally.note(request.kind, answer.status)
    tally.valid(request, seconds, answer.status == 200)
    if how:
        return tally.verify(how)
    code = problem(tally, request.kind, answer, sent)
    by_design = {"overloaded": "retry-after" in answer.headers, "deadline_exceeded": True,
                 "model_not_found": request.guest, "not_ready": request.guest}
    if not by_design.get(code):
        tally.violation(f"{request.kind}: {answer.status} {code}", sent)


def call(load, rng):
    """Sends requests at a rate that, with all clients, is OVERLOAD times the capacity."""
    with Connection(load.address) as connection:
        while not load.over.is_set():
            request = rng.choice(load.pool)
            due = time.monotonic() + request.alone * CALLERS / (OVERLOAD * load.tally.pace())
            send(load, connection, request)
            load.over.wait(max(0, due - time.monotonic()))


def catalogue(load, rng):
    """Requests routes that need no computation."""
    paths = ("/models", "/models/sentiment-en", "/methods", "/metrics", "/openapi.json")
    with Connection(load.address) as connection:
        while not load.over.wait(0.3):
            path = rng.choice(paths)
            try:
                answer = connection.ask(message("GET", path))
            except Lost as lost:
                load.tally.violation(f"GET {path}: {lost}")
                continue
            load.tally.note("catalogue", answer.status)
            if answer.status != 200:
                load.tally.violation(f"GET {path}: status {answer.status}")


def probe(load, rng):
    """Requests /livez and /readyz."""
    while not load.over.wait(0.25):
        path = rng.choice(("/livez", "/readyz"))
        start = time.monotonic()
        try:
            with Connection(load.address, patience=60) as connection:
                status = connection.ask(message("GET", path)).status
        except Lost as lost:
            status = f"no response: {lost}"
        load.tally.probe(time.monotonic() - start)
        if status != 200:
            load.tally.violation(f"{path}: {status}")
