"""Checks that the queries of the dashboard and the alerts select series that a service has."""

import json
import re
import sys
import urllib.request
from pathlib import Path

import promql_parser
import yaml

ADDED_BY_PROMETHEUS = {"instance", "job"}
SAMPLE = re.compile(r"^([a-zA-Z_:]\w*)(?:\{(.*)\})? ", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def exposed(url: str) -> dict[str, list[dict[str, str]]]:
    """The labels of each series after a request, by name."""
    body = json.dumps({"inputs": "This movie is really great."}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{url}/explain", body, headers)).read()
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()
    series: dict[str, list[dict[str, str]]] = {"up": [{}]}
    for name, labels in SAMPLE.findall(text):
        series.setdefault(name, []).append(dict(LABEL.findall(labels)))
    return series


def queries() -> list[tuple[str, str, set[str]]]:
    """Where each query is, the query, and the labels that its legend or summary shows."""
    dashboard = json.loads(Path("deploy/grafana/dashboards/explaind.json").read_text())
    found = [
        (panel["title"], target["expr"], set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])))
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]
    for group in yaml.safe_load(Path("deploy/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            shown = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
            found.append((rule["alert"], rule["expr"], set(shown)))
    return found


def parts(expression: object):
    """The expression and everything in it."""
    yield expression
    for name in ("lhs", "rhs", "expr", "args", "param", "vector_selector"):
        inner = getattr(expression, name, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None and type(each).__module__ == type(expression).__module__:
                yield from parts(each)


def check(query: str, shown: set[str], series: dict[str, list[dict[str, str]]]) -> int:
    query = query.replace("$__rate_interval", "1m").replace("$instance", ".*")
    selectors, labels = 0, set(shown)
    known = set(ADDED_BY_PROMETHEUS)
    for part in parts(promql_parser.parse(query)):
        if isinstance(part, promql_parser.VectorSelector):
            selectors += 1
            rows = series.get(part.name)
            assert rows, f"there is no metric {part.name}"
            for matcher in part.matchers.matchers:
                labels.add(matcher.name)
                if matcher.name not in ADDED_BY_PROMETHEUS:
                    rows = [row for row in rows if row.get(matcher.name) == matcher.value]
            assert rows, f"no series matches {part.prettify()}"
            known |= {name for row in rows for name in row}
        elif isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
            labels |= set(part.modifier.labels)
    assert labels <= known, f"there are no labels {sorted(labels - known)}"
    assert selectors, "the query selects nothing"
    return selectors


series = exposed(sys.argv[1])
checked = 0
for place, query, shown in queries():
    try:
        checked += check(query, shown, series)
    except AssertionError as error:
        sys.exit(f"{place}: {error}\n  {query}")
print(f"{checked} selectors of {len(queries())} queries exist, among {len(series)} series names")
