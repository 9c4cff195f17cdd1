"""Models that are loaded and unloaded while requests use them."""

import json
import shutil
import time
from pathlib import Path

from .service import AS_ADMIN, BROKEN
from .shapes import GOLDEN, GUESTS
from .tally import problem
from .wire import Connection, message

LOAD_SECONDS = 60


def put(connection, name, source):
    body = json.dumps({"source": str(source)}).encode()
    headers = [("content-type", "application/json"), AS_ADMIN]
    return connection.ask(message("PUT", f"/models/{name}", headers, body))


def delete(connection, name):
    return connection.ask(message("DELETE", f"/models/{name}", [AS_ADMIN]))


def state(connection, name):
    """Waits until a load ends and returns the state."""
    until = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < until:
        answer = connection.ask(message("GET", f"/models/{name}"))
        current = json.loads(answer.body).get("state")
        if current != "loading":
            return current
        time.sleep(0.05)
    return f"loading for {LOAD_SECONDS} s"


def load_all(address):
    """Loads every guest model."""
    with Connection(address) as connection:
        for name, source in GUESTS.items():
            put(connection, name, source)
        states = {name: state(connection, name) for name in GUESTS}
    if set(states.values()) != {"ready"}:
        raise SystemExit(f"guest models do not load: {states}")


def broken_folder(folder):
    """Creates a checkpoint with truncated weights."""
    broken = Path(folder) / BROKEN
    if not broken.exists():
        shutil.copytree(GOLDEN / "bert-tiny", broken)
        weights = broken / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:20_000])
    return broken


def come_and_go(folder):
    """Loads and unloads guest models and a broken folder."""
    def work(load, rng):
        broken, tally = broken_folder(folder), load.tally
        present = set(GUESTS)

        def expect(what, answer, *statuses):
            tally.note("models", answer.status)
            if answer.status not in statuses:
                code = problem(tally, "models", answer) if answer.status >= 400 else None
                tally.violation(f"models: {what}: {answer.status} {code}")

        with Connection(load.address) as connection:
            while not load.over.wait(rng.uniform(0.1, 1)):
                name = rng.choice((*GUESTS, BROKEN, "swapped"))
                if name == BROKEN:
                    expect("PUT of a broken folder", put(connection, name, broken), 202)
                    if (current := state(connection, name)) != "failed":
                        tally.violation(f"models: a broken folder is {current}")
                    expect("DELETE of a failed model", delete(connection, name), 202, 204)
                elif name == "swapped":
                    source = GOLDEN / rng.choice(("bert-tiny", "bert-nli", "electra-sequence"))
                    # Rejected while another source is loading.
                    expect("PUT of another source", put(connection, name, source), 200, 202, 409)
                elif name in present:
                    expect(f"DELETE of {name}", delete(connection, name), 202, 204)
                    present.remove(name)
                else:
                    # The previous one may still be in use or loading.
                    expect(f"PUT of {name}", put(connection, name, GUESTS[name]), 200, 202)
                    present.add(name)
                    if rng.random() < 0.7 and (current := state(connection, name)) != "ready":
                        tally.violation(f"models: {name} is {current}")
    return work
