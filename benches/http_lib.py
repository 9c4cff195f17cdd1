"""Shared code of the HTTP benchmarks."""

import json
import subprocess
from pathlib import Path

from soak_lib.wire import message

SENTENCE = ("The film is a long and rather slow story about a family that moves to the sea and "
            "finds there what it had not looked for , told with great warmth , played with care "
            "and shot in a light that nobody will forget , even where the plot gives way to "
            "songs and dances that have nothing to do with it at all").split()


def start(options, folder):
    command = [Path(options.binary).resolve(), "--listen", "127.0.0.1:0"]
    if options.model:
        command += ["--model", "sentiment-en=builtin:sentiment-en", "--model", options.model]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    host, port = line.strip().rpartition("/")[2].rsplit(":", 1)
    return process, (host, int(port))


def message_of(path, fields):
    """The bytes of a POST request with these fields as JSON."""
    return message("POST", path, [("content-type", "application/json")], json.dumps(fields).encode())
