"""The pool of valid requests: every route, method, option, format and kind of model."""

import gzip
import json
import random
from dataclasses import dataclass, field

from . import wire
from .shapes import GUESTS, KINDS

# Placeholder for the number of the sent request, in a request and its expected response.
NOBODY = b"s--------"


@dataclass
class Request:
    """A request of the pool, with its time and response when sent alone."""

    kind: str
    path: str
    body: bytes
    accept: str
    # Whether it uses a guest model, which may be unloaded.
    guest: bool
    # Whether it has a time budget, so that responses may differ.
    hurried: bool
    zipped: bool
    # Seconds when sent alone.
    alone: float = 0.0
    expected: object = field(default=None, repr=False)

    def message(self, number):
        """Returns the bytes of the request with this number."""
        headers = [("content-type", "application/json"), ("accept", self.accept)]
        body = self.body.replace(NOBODY, b"s%08d" % number)
        if self.zipped:
            headers += [("content-encoding", "gzip"), ("accept-encoding", "gzip")]
            body = gzip.compress(body, 1)
        return wire.message("POST", self.path, headers, body)


def numbered(inputs):
    """Returns inputs as objects with ids that contain the number of the request."""
    single = not isinstance(inputs, list)
    listed = [inputs] if single else inputs
    listed = [one if isinstance(one, dict) else {"text": one} for one in listed]
    listed = [{**one, "id": f"{NOBODY.decode()}-{i}"} for i, one in enumerate(listed)]
    return listed[0] if single else listed


def build(seed, size):
    """Returns `size` requests, the same for the same seed."""
    rng = random.Random(seed)
    kinds = [(kind, make) for kind, (share, make) in KINDS.items() for _ in range(share)]
    pool = []
    for i in range(size):
        # Evenly spaced, so that small pools contain every kind.
        kind, make = kinds[i * len(kinds) // size]
        model = rng.choice(("sentiment-en", "sentiment-en", "sentiment-zh"))
        shape = make(rng, model)
        path, accept = shape.pop("path", "/explain"), shape.pop("accept", "application/json")
        body = {"model": model, **shape}
        body["inputs"] = numbered(body["inputs"])
        pool.append(Request(
            kind=kind,
            path=path,
            body=json.dumps(body, ensure_ascii=rng.random() < 0.5).encode(),
            accept=accept,
            guest=body["model"] in GUESTS,
            hurried="budget_ms" in body,
            zipped=rng.random() < 0.2,
        ))
    return pool
