"""Checks objects against the schemas of their kinds; unknown fields are errors."""

import warnings

import kubernetes_validate
from chart import NEWEST, OLDEST, Document
from cloudcoil.models.prometheus_operator import v1 as operator

MONITORING = "monitoring.coreos.com/v1"


def check(document: Document) -> int:
    """Returns the number of schemas that the object was checked against."""
    if document["apiVersion"] == MONITORING:
        check_monitoring(document)
        return 1
    for version in (OLDEST, NEWEST):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as another version's schema
            used = kubernetes_validate.validate(document, version, strict=True)
        assert used.startswith(version), f"validated as of {used}"
    return 2


def check_monitoring(document: Document) -> None:
    """The models ignore unknown fields, but do not write them again."""
    model = getattr(operator, document["kind"])
    known = model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert known == document, f"unknown fields in {document['kind']}, or defaults that are not set"


def check_strictness() -> None:
    """Fails if one of the validators would accept a misspelt field."""
    wrong = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"slector": {}}},
        {
            "apiVersion": MONITORING,
            "kind": "ServiceMonitor",
            "metadata": {"name": "a"},
            "spec": {"selector": {}, "endpoints": [{"prt": "a"}]},
        },
    ]
    for document in wrong:
        try:
            check(document)
        except (AssertionError, kubernetes_validate.ValidationError):
            continue
        raise AssertionError(f"accepted: {document}")
