"""Requests of the injected faults, and what their answers must be."""

import json
import threading
import time

from soak_lib.service import AS_ADMIN
from soak_lib.wire import Connection, Lost, message

JSON = ("content-type", "application/json")
QUESTIONS = [
    {"inputs": "This movie is really great.", "methods": ["saliency", "integrated_gradients"]},
    {"inputs": "The plot was thin, but the music saved it.", "methods": ["lime"], "seed": 7},
    {"inputs": ["So bad.", "A warm and moving film."], "methods": ["occlusion"]},
    {"inputs": "这部电影真的很棒", "model": "sentiment-zh", "methods": ["partition_shap"]},
]


def ask(service, method, path, fields=None, headers=(), patience=60.0):
    """Status and JSON; Lost where there is no answer."""
    body = None if fields is None else json.dumps(fields).encode()
    with Connection(service.address, patience=patience) as connection:
        answer = connection.ask(message(method, path, [JSON, *headers], body))
        try:
            return answer.status, json.loads(answer.plain() or b"null")
        except ValueError:
            return answer.status, answer.plain().decode()


def results(service):
    """What the questions are answered with, times left out."""
    found = []
    for question in QUESTIONS:
        status, answer = ask(service, "POST", "/explain", question)
        found.append((status, answer.get("results")))
    return found


class Steady:
    """Asks the questions over and over beside a fault, and counts what was other than alone."""

    def __init__(self, service):
        self.service = service
        self.alone = results(service)
        self.over = threading.Event()
        self.answers, self.wrong = 0, []
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.over.is_set():
            for place, question in enumerate(QUESTIONS):
                try:
                    status, answer = ask(self.service, "POST", "/explain", question)
                except (Lost, OSError) as lost:
                    self.wrong.append(f"no answer: {lost}")
                    return
                if (status, answer.get("results")) != self.alone[place]:
                    self.wrong.append(f"question {place} has status {status}, or another answer")
                self.answers += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(120)

    def preserved(self):
        assert not self.wrong, self.wrong[:3]
        return f"{self.answers} answers beside it equal to those alone"


def load(service, source):
    status, _ = ask(service, "PUT", "/models/new", {"source": source}, [AS_ADMIN])
    assert status == 202, f"PUT has status {status}"


def state(service):
    """The new model's state and, where it failed, why."""
    status, model = ask(service, "GET", "/models/new", headers=[AS_ADMIN])
    return ("gone", "") if status == 404 else (model["state"], json.dumps(model.get("problem")))


def until(what, holds, seconds=30):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return found
