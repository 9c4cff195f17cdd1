"""The pool of valid requests: every route, method, option, form and kind of model."""

import gzip
import json
import random
from dataclasses import dataclass, field

from . import wire
from .shapes import GUESTS, KINDS

# Stands in a request, and in its expected answer, for the number of the one that is sent.
NOBODY = b"s--------"


@dataclass
class Request:
    """A request of the pool, and what is known of it once it was asked alone."""

    kind: str
    path: str
    body: bytes
    accept: str
    # Of a guest: it may be away.
    guest: bool
    # Stopped by its own budget, so no two answers need be alike.
    hurried: bool
    zipped: bool
    # Seconds that it takes alone.
    alone: float = 0.0
    expected: object = field(default=None, repr=False)

    def message(self, number):
        """As it is sent for the `number`th time."""
        headers = [("content-type", "application/json"), ("accept", self.accept)]
        body = self.body.replace(NOBODY, b"s%08d" % number)
        if self.zipped:
            headers += [("content-encoding", "gzip"), ("accept-encoding", "gzip")]
            body = gzip.compress(body, 1)
        return wire.message("POST", self.path, headers, body)


def numbered(inputs):
    """Inputs as objects whose ids tell which sending of which request they are of."""
    lone = not isinstance(inputs, list)
    listed = [inputs] if lone else inputs
    listed = [one if isinstance(one, dict) else {"text": one} for one in listed]
    listed = [{**one, "id": f"{NOBODY.decode()}-{i}"} for i, one in enumerate(listed)]
    return listed[0] if lone else listed


def build(seed, size):
    """`size` requests, the same for the same seed."""
    rng = random.Random(seed)
    kinds = [(kind, make) for kind, (share, make) in KINDS.items() for _ in range(share)]
    pool = []
    for i in range(size):
        # Evenly through the kinds: each is there, however small the pool.
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
