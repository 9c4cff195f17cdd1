"""The phases of a soak test."""

import sys
import threading
import time

from . import answers, callers, guests, report, rude, wrong
from .wire import Connection, Lost, message

# Idle threads end after ten seconds.
REST_SECONDS = 20
# Requests in flight at SIGTERM.
LAST_ONES = 4


def ask_alone(service, requests, tally, learn):
    """Sends each request to the idle service, to record its response or to compare with it."""
    guests.load_all(service.address)
    with Connection(service.address) as connection:
        for number, request in enumerate(requests):
            start = time.monotonic()
            try:
                answer = connection.ask(request.message(number))
                request.alone = time.monotonic() - start
                if answer.status != 200 and not request.hurried:
                    raise answers.Wrong(f"status {answer.status}: {answer.plain()[:300]!r}")
                if learn:
                    request.expected = answers.normal(request, answer.plain(), b"s%08d" % number)
                elif answer.status == 200:
                    answers.check(request, answer, number)
            except (answers.Wrong, Lost) as error:
                when = "before the load" if learn else "afterwards"
                what = f"alone {when}: {request.kind}: {error}"[:400]
                tally.violation(what, request.message(number))
    return [request for request in requests if request.expected]


def kinds_of_load(folder):
    """Returns the load in addition to the pool: pairs of work and number of threads."""
    return {
        "catalogue": (callers.catalogue, 1),
        "invalid": (wrong.ask("invalid", wrong.INVALID, 0.05), 2),
        "oversized": (wrong.ask("oversized", wrong.OVERSIZED, 0.5), 1),
        "slow": (rude.slow_to_send, 2),
        "slow readers": (rude.slow_to_read, 2),
        "cancelled": (rude.gone, 2),
        "half-open": (rude.half_open, 1),
        "models": (guests.come_and_go(folder), 1),
    }


def run_load(service, requests, options, tally, folder):
    def enabled(kind):
        return kind not in options.without and (not options.only or kind in options.only)

    selected = [request for request in requests if enabled(request.kind)]
    load = callers.Load(service.address, selected or requests, tally, options.seed)
    tally.began = time.monotonic()
    service.watch(tally, load.over)
    load.start(callers.probe)
    if selected:
        load.start(callers.call, callers.CALLERS)
    for kind, (work, copies) in kinds_of_load(folder).items():
        if enabled(kind):
            load.start(work, copies)
    end, shown = tally.began + options.minutes * 60, sys.stdout.isatty()
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 1 if shown else 30))
        print(report.progress(tally), end="\r" if shown else "\n", flush=True)
    load.stop()
    print()


def rest(service, before):
    """Samples the process when it is idle again and idle threads have ended."""
    time.sleep(15)
    for _ in range(REST_SECONDS):
        time.sleep(1)
        after = service.sample()
        if after[1] <= before[1] and after[2] <= before[2]:
            break
    return after


def stop(service, requests, tally):
    """Sends SIGTERM with requests in flight, which must finish. Returns the seconds until exit."""
    load = callers.Load(service.address, requests, tally, "stop")
    slowest = sorted(requests, key=lambda request: request.alone)[-LAST_ONES:]
    connections = [Connection(service.address) for _ in slowest]
    threads = [threading.Thread(target=callers.send, args=(load, connection, request))
               for connection, request in zip(connections, slowest)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    service.terminate()
    start = time.monotonic()
    time.sleep(0.2)
    try:
        with Connection(service.address, patience=5) as connection:
            if connection.ask(message("GET", "/readyz")).status != 503:
                tally.violation("ready after SIGTERM")
    except Lost:
        pass  # The port is closed already.
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    if (status := service.wait()) != 0:
        tally.violation(f"exit status {status} after SIGTERM")
    return time.monotonic() - start
