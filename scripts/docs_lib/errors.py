"""docs/reference/errors.md, from GET /problems.

errors.py URL           checks that the document is up to date
errors.py URL --write   writes it
"""

import json
import sys
import urllib.request
from pathlib import Path

DOCUMENT = Path("docs/reference/errors.md")
HEAD = """\
# Errors

Every error is `application/problem+json` (RFC 9457). `code` is stable, `detail` states what to
change in this request, and `pointer`, a JSON pointer into the body, states where. GET
/problems/{code} has the same text as below. With 429 and 503, `Retry-After` gives the seconds after
which to try again, where they are known.

In a list of inputs, an input that fails has its problem as `error` in its element of `results`; the
status is an error only if all inputs fail.

"""


def document(problems: list[dict]) -> str:
    sections = (
        f"## {each['status']} `{each['code']}`\n\n"
        f"{each['meaning']} {each['when']}\n\n"
        f"**Remedy:** {each['remedy']}\n"
        for each in sorted(problems, key=lambda each: (each["status"], each["code"]))
    )
    return HEAD + "\n".join(sections)


request = urllib.request.Request(f"{sys.argv[1]}/problems", headers={"Accept": "application/json"})
text = document(json.load(urllib.request.urlopen(request))["problems"])
if "--write" in sys.argv:
    DOCUMENT.write_text(text)
elif DOCUMENT.read_text() != text:
    sys.exit(f"{DOCUMENT} is out of date: run scripts/docs-test --write-errors")
