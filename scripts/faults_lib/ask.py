"""Requests during injected faults, and checks of their responses."""

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
    """Returns status and JSON; raises Lost if there is no response."""
    body = None if fields is None else json.dumps(fields).encode()
    with Connection(service.address, patience=patience) as connection:
        answer = connection.ask(message(method, path, [JSON, *headers], body))
        try:
            return answer.status, json.loads(answer.plain() or b"null")
        except ValueError:
            return answer.status, answer.plain().decode()


def results(service):
    """Returns status and results of each question, without times."""
    answers = []
    for question in QUESTIONS:
        status, answer = ask(service, "POST", "/explain", question)
        answers.append((status, answer.get("results")))
    return answers


class Steady:
    """Repeats the questions during a fault and compares the responses with those before it."""

    def __init__(self, service):
        self.service = service
        self.alone = results(service)
        self.over = threading.Event()
        self.answers, self.wrong = 0, []
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.over.is_set():
            for number, question in enumerate(QUESTIONS):
                try:
                    status, answer = ask(self.service, "POST", "/explain", question)
                except (Lost, OSError) as lost:
                    self.wrong.append(f"no response: {lost}")
                    return
                if (status, answer.get("results")) != self.alone[number]:
                    self.wrong.append(f"question {number}: status {status} or other results")
                self.answers += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(120)

    def preserved(self):
        assert not self.wrong, self.wrong[:3]
        return f"{self.answers} responses during the fault equal those before it"


def load(service, source):
    status, _ = ask(service, "PUT", "/models/new", {"source": source}, [AS_ADMIN])
    assert status == 202, f"PUT has status {status}"


def state(service):
    """Returns the state of the new model, and its error if it failed."""
    status, model = ask(service, "GET", "/models/new", headers=[AS_ADMIN])
    return ("gone", "") if status == 404 else (model["state"], json.dumps(model.get("problem")))


def until(what, condition, seconds=30):
    """Waits until `condition` is true and returns its value; `what` is for the error."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return value
