"""Runs examples/ray/explain.py on a Ray cluster of two workers, each a node of its own, and kills the
service of one of them meanwhile.

    ray_run.py ROWS LINES METHODS OPTIONS

LINES are what `explaind batch` wrote for ROWS, with these methods and other options. `explaind` is on
the PATH, and Python finds its package.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet
import ray
from ray.cluster_utils import Cluster

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/ray/explain.py"
MEMORY = 200 << 20
"""Bytes of the object store of each node."""


def services() -> dict[int, int]:
    """The running services, each with its node: the parent of the worker that started it."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if len(command) > 2 and command[0].endswith(b"/explaind") and command[1] == b"serve":
                found[int(entry.name)] = parent(parent(int(entry.name)))
        except OSError:
            continue
    return found


def is_asked(process: int) -> bool:
    """Whether the service has a connection."""
    try:
        sockets = {os.readlink(each) for each in Path(f"/proc/{process}/fd").iterdir()}
    except OSError:
        return False  # it has ended, or closed one meanwhile
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(line[3] == "01" and f"socket:[{line[9]}]" in sockets for line in lines)


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def main(rows: str, lines: str, methods: str, fields: str) -> None:
    others = services().keys()
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY}
    )
    for _ in range(2):
        # One worker of two CPUs fits, and a task that reads or writes.
        cluster.add_node(num_cpus=3, object_store_memory=MEMORY)
    results = tempfile.mkdtemp()
    options = json.loads(fields) | {"methods": methods.split(",")}
    process = subprocess.Popen(
        [
            sys.executable,
            EXAMPLE,
            rows,
            results,
            "--workers=2",
            "--cpus=2",
            "--options",
            json.dumps(options),
        ],
        env=os.environ | {"RAY_ADDRESS": cluster.address, "RAY_DATA_DISABLE_PROGRESS_BARS": "1"},
    )
    seen: dict[int, int] = {}
    killed = None
    try:
        while process.poll() is None:
            running = {each: node for each, node in services().items() if each not in others}
            seen |= running
            if killed is None and len(running) == 2 and is_asked(min(running)):
                killed = min(running)
                os.kill(killed, signal.SIGKILL)
            time.sleep(0.05)
        assert process.returncode == 0
        assert killed is not None, "two services never ran at once"
    finally:
        process.kill()
        ray.shutdown()
        cluster.shutdown()
    table = pyarrow.parquet.read_table(results).to_pydict()
    expected = {line["id"]: line for line in map(json.loads, Path(lines).open())}
    found = dict(zip(table["id"], map(json.loads, table["result"])))
    assert len(table["id"]) == len(found) == len(expected), "a row is lost or doubled"
    for name, result in expected.items():
        if "error" in result:
            assert found[name]["error"]["code"] == result["error"]["code"], name
        else:
            assert found[name] == result, name
    nodes = len(set(seen.values()))
    assert nodes == 2, seen
    print(
        f"Ray: {len(found)} rows once, by {len(seen)} services on {nodes} nodes, one of them killed"
    )


main(*sys.argv[1:])
