"""The faults. Each takes a workspace and returns what was preserved, or raises an
AssertionError."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

from soak_lib.service import AS_ADMIN
from soak_lib.wire import Connection, Lost, message

from .ask import JSON, QUESTIONS, Steady, ask, load, results, state, until
from .hub import SOURCE, Hub

TCP_REPAIR = 19
GROUPS = Path("/sys/fs/cgroup/memory")
LIBFAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class NotRun(Exception):
    """The machine lacks something that is needed to inject the fault."""


@contextlib.contextmanager
def mounted(folder, size):
    """Mounts an in-memory file system of this size."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        raise NotRun("needs the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def full_disk(workspace):
    hub = Hub(workspace.model)
    disk = workspace.folder / "disk"
    environment = {"HF_ENDPOINT": hub.url(), "HF_HOME": str(disk)}
    with mounted(disk, "64k"), workspace.service(environment=environment) as service:
        with Steady(service) as steady:
            load(service, SOURCE)
            name, why = until("the load fails", lambda: failed(service))
            assert "No space left" in why or "os error 28" in workspace.log(service), why
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            load(service, SOURCE)
            until("it loads", lambda: state(service)[0] == "ready")
        return f"{steady.preserved()}; the load failed with the reason, and worked with more space"


def failed(service):
    current = state(service)
    return current if current[0] == "failed" else None


def slow_hub(workspace):
    hub = Hub(workspace.model)
    hub.pause = 0.25
    environment = {"HF_ENDPOINT": hub.url(), "HF_HOME": str(workspace.folder / "home")}
    with workspace.service("load_ms = 3000\n", environment) as service, Steady(service) as steady:
        load(service, SOURCE)
        name, why = until("the load is given up", lambda: failed(service))
        assert "deadline_exceeded" in why, why
        load(service, SOURCE)
        time.sleep(0.5)
        status, _ = ask(service, "DELETE", "/models/new", headers=[AS_ADMIN])
        assert status in (202, 204), f"DELETE has status {status}"
        until("it is gone", lambda: state(service)[0] == "gone", 5)
        hub.pause = 0
        load(service, SOURCE)
        until("it loads", lambda: state(service)[0] == "ready")
    return f"{steady.preserved()}; the load ended after load_ms, and on DELETE, and then worked"


def clock_step(workspace):
    if not Path(LIBFAKETIME).exists():
        raise NotRun("needs libfaketime (apt install faketime)")
    clock = workspace.folder / "clock"
    clock.write_text("+0")
    environment = {"LD_PRELOAD": LIBFAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock),
                   "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with workspace.service(environment=environment) as service:
        with Steady(service) as steady:
            for step in ("+1d", "-400d", "+0"):
                clock.write_text(step)
                time.sleep(1.5)
            assert ask(service, "GET", "/readyz")[0] == 200
        lines = workspace.log(service)
        days = {word[:10] for line in lines.splitlines() for word in line.split()[:1]}
    assert len(days) > 2, f"the log's dates are {sorted(days)}: the clock did not step"
    return f"{steady.preserved()}: a day forward, 400 days back, and the right time again"


def vanished(workspace):
    """Clients whose machines vanish: no packet ends their connections."""
    limits = "idle_ms = 2000\nhead_ms = 1500\n"
    with workspace.service(limits) as service, Steady(service) as steady:
        body = message("POST", "/explain", [JSON, ("content-length", "1000")])
        starts = [b"GET /livez HTTP/1.1\r\nhost: ", message("GET", "/livez"), body + b"{", b""]
        gone = [Connection(service.address) for _ in range(100)]
        for number, connection in enumerate(gone):
            connection.open().sendall(starts[number % len(starts)])
        time.sleep(0.5)
        before = connections(service)
        for connection in gone:
            try:
                connection.socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            except PermissionError as error:
                raise NotRun("needs CAP_NET_ADMIN") from error
            connection.close()
        assert before >= 100, f"{before} connections"
        until("their connections end", lambda: connections(service) < 5, 40)
    return f"{steady.preserved()}; {before} connections, then fewer than 5"


def connections(service):
    _, text = ask(service, "GET", "/metrics")
    lines = (line for line in text.splitlines() if line.startswith("explaind_connections_open"))
    return float(next(lines).rpartition(" ")[2])


def memory(workspace):
    """Limits memory to 1.2 times what the same work needs without a limit."""
    if not os.access(GROUPS / "cgroup.procs", os.W_OK):
        raise NotRun("needs writable control groups, version 1")
    group = GROUPS / f"explaind-{os.getpid()}"
    group.mkdir()
    join = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    try:
        with workspace.service(before=join) as service:
            alone = results(service)
            crowd(service)
        need = int((group / "memory.max_usage_in_bytes").read_text())
        (group / "memory.max_usage_in_bytes").write_text("0")
        (group / "memory.limit_in_bytes").write_text(str(need * 6 // 5))
        with workspace.service(before=join) as service:
            assert results(service) == alone, "other results with less memory"
            statuses = crowd(service)
            assert results(service) == alone, "other results afterwards"
        killed = "oom_kill 0" not in (group / "memory.oom_control").read_text()
        assert not killed, "killed by the system for lack of memory"
    finally:
        until("the group is empty", lambda: not (group / "cgroup.procs").read_text(), 10)
        group.rmdir()
    answered = statuses.count(200)
    return (f"needs {need >> 20} MiB for 48 clients, had {need * 6 // 5 >> 20}: {answered} of "
            f"{len(statuses)} answered, the others rejected as overloaded; results equal")


def crowd(service):
    """Sends 48 large requests concurrently and returns the statuses."""
    text = " ".join(["wonderful"] * 100)
    fields = {"inputs": [text] * 2, "methods": ["integrated_gradients"],
              "attention": {"layers": "all", "heads": "all"}}
    statuses = []

    def caller(number):
        own = {**fields, "seed": number, "budget_ms": 15_000}
        statuses.append(ask(service, "POST", "/explain", own, patience=120)[0])
    threads = [threading.Thread(target=caller, args=[number]) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    unexpected = set(statuses) - {200, 429, 503, 504}
    assert len(statuses) == 48 and not unexpected, f"{len(statuses)} responses, {unexpected}"
    return statuses


def sigterm(workspace):
    took = {name: stopped(workspace, begin) for name, begin in STATES.items()}
    return "status 0, admitted requests answered; " + ", ".join(
        f"{name} {seconds:.1f} s" for name, seconds in took.items())


def stopped(workspace, begin):
    hub = Hub(workspace.model)
    hub.pause = 0.25
    environment = {"HF_ENDPOINT": hub.url(), "HF_HOME": str(workspace.folder / "stopped")}
    with workspace.service(environment=environment) as service:
        check = begin(service)
        start = time.monotonic()
        service.terminate()
        check()
        status = service.wait()
        assert status == 0, f"{begin.__name__}: status {status}"
        return time.monotonic() - start


def at_rest(_):
    return lambda: None


WORK = {"inputs": ["A warm and moving film. " * 8] * 6, "methods": ["lime"], "attention": False}


def amid(service, accept, enough):
    """Sends a request and waits until it is queued. Returns a check of its response."""
    connection = Connection(service.address)
    body = json.dumps(WORK).encode()
    connection.open().sendall(message("POST", "/explain", [JSON, ("accept", accept)], body))
    until("it is worked on", lambda: queued(service) > 0)

    def check():
        answer = connection.answer()
        assert answer.status == 200 and enough(answer.plain()), answer.status
    return check


def queued(service):
    _, text = ask(service, "GET", "/metrics")
    lines = (line for line in text.splitlines() if line.startswith("explaind_queue_requests"))
    return float(next(lines).rpartition(" ")[2])


def amid_work(service):
    return amid(service, "application/json", lambda body: len(json.loads(body)["results"]) == 6)


def amid_lines(service):
    return amid(service, "application/x-ndjson", lambda body: body.count(b'"index"') >= 6)


def amid_an_upload(service):
    connection = Connection(service.address)
    body = json.dumps(QUESTIONS[0]).encode()
    whole = message("POST", "/explain", [JSON], body)
    connection.open().sendall(whole[:-10])
    time.sleep(0.2)

    def check():
        time.sleep(0.2)
        connection.socket.sendall(whole[-10:])
        assert connection.answer().status in (200, 503)
    return check


def while_it_loads(service):
    load(service, SOURCE)
    time.sleep(0.3)
    return lambda: None


STATES = {"at rest": at_rest, "amid work": amid_work, "amid lines": amid_lines,
          "amid an upload": amid_an_upload, "while it loads": while_it_loads}

FAULTS = {
    "the disk is full while a model is fetched": full_disk,
    "the hub sends 4 KiB a second": slow_hub,
    "the clock steps": clock_step,
    "100 callers vanish without closing": vanished,
    "a fifth more memory than it needs": memory,
    "SIGTERM": sigterm,
}
