"""Checks deploy/kserve against the classes of KServe's SDK and of Kubernetes' client: every field must be one
of them, with its type, and required ones must be there."""

import re
from pathlib import Path

import kserve.models
import kubernetes.client
import yaml

KINDS = {
    ("serving.kserve.io/v1alpha1", "ClusterServingRuntime"): "V1alpha1ClusterServingRuntime",
    ("serving.kserve.io/v1beta1", "InferenceService"): "V1beta1InferenceService",
}
PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def find(name):
    return getattr(kserve.models, name, None) or getattr(kubernetes.client, name)


def check(value, kind, path):
    """Checks a value against the name of a type in the classes' notation."""
    if nested := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        assert isinstance(value, list), f"{path} must be a list"
        for index, item in enumerate(value):
            check(item, nested[1], f"{path}[{index}]")
    elif nested := re.fullmatch(r"[Dd]ict[(\[]str, (.*)[)\]]", kind):
        assert isinstance(value, dict), f"{path} must be a table"
        for name, item in value.items():
            check(item, nested[1], f"{path}.{name}")
    elif kind in PLAIN:
        assert isinstance(value, PLAIN[kind]), f"{path} must be {kind}, not {value!r}"
    elif kind not in ("object", "ResourceQuantity"):
        check_object(value, find(kind), path)


def check_object(value, cls, path):
    assert isinstance(value, dict), f"{path} must be a table"
    names = {json_name: name for name, json_name in cls.attribute_map.items()}
    unknown = value.keys() - names.keys()
    assert not unknown, f"{path} has no {', '.join(sorted(unknown))}"
    for json_name, inner in value.items():
        check(inner, cls.openapi_types[names[json_name]], f"{path}.{json_name}")
    # The constructor asks for required fields.
    cls(**{names[json_name]: inner for json_name, inner in value.items()})


def read(name):
    return yaml.safe_load(Path("deploy/kserve", name).read_text())


def check_all():
    files = sorted(Path("deploy/kserve").glob("*.yaml"))
    for file in files:
        manifest = yaml.safe_load(file.read_text())
        kind = KINDS[manifest["apiVersion"], manifest["kind"]]
        check_object(manifest, find(kind), file.name)
        wrong = manifest | {"spec": manifest["spec"] | {"protocol_versions": []}}
        try:
            check_object(wrong, find(kind), file.name)
        except AssertionError:
            continue
        raise AssertionError(f"an unknown field of {file} is accepted")
    assert len(files) == 3, files
    print(f"{len(files)} manifests have the fields and types of the SDK's classes")


def command(container, name):
    """The arguments and environment that KServe would start a container with."""
    arguments = [argument.replace("{{.Name}}", name) for argument in container.get("args", [])]
    return arguments, {variable["name"]: variable["value"] for variable in container["env"]}
