"""Models that callers hand over: folders, hub names and transformers pipelines."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Pipeline(Protocol):
    """A `transformers.Pipeline`, or anything with a model and a tokenizer that can be saved."""

    model: Any
    tokenizer: Any


Model = str | os.PathLike[str] | Pipeline
"""An id of a served model, a source (`hf:owner/name`, a folder), or a pipeline."""

# Folders of saved pipelines, removed when Python ends. Keyed by the identity of the pipeline,
# which is kept so that no other object gets the same identity.
_saved: dict[int, tuple[Pipeline, tempfile.TemporaryDirectory[str]]] = {}


def source_of(model: Model) -> str | None:
    """The source to load, or None if `model` is the id of a served model."""
    if isinstance(model, str):
        if ":" in model:
            return model
        return str(Path(model).resolve()) if re.search(r"[/\\]", model) else None
    if isinstance(model, os.PathLike):
        return str(Path(model).resolve())
    if isinstance(model, Pipeline):
        return _save(model)
    raise TypeError(f"a model is an id, a folder or a pipeline, not {type(model).__name__}")


def id_of(source: str) -> str:
    """A valid model id that differs for different sources."""
    name = re.split(r"[/\\:@]", source.rstrip("/\\"))[-1]
    readable = re.sub(r"[^A-Za-z0-9._-]", "-", name).strip(".-")[:48]
    return f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:8]}".lstrip("-")


def _save(pipeline: Pipeline) -> str:
    if id(pipeline) not in _saved:
        folder = tempfile.TemporaryDirectory(prefix="explaind-pipeline-")
        pipeline.model.save_pretrained(folder.name)
        pipeline.tokenizer.save_pretrained(folder.name)
        _saved[id(pipeline)] = (pipeline, folder)
    return _saved[id(pipeline)][1].name
