"""Writes a tiny random checkpoint in the Hugging Face layout, reproducible from a seed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers

import adapters
import modules
from architectures import ARCHITECTURES

# The suffix of the model class for each task.
HEADS = {
    "sequence": "ForSequenceClassification",
    "tokens": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
    "mlm": "ForMaskedLM",
    "nsp": "ForNextSentencePrediction",
    "embed": "Model",
}
SENTIMENTS = ["negative", "neutral", "positive"]
ENTITIES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@dataclass(frozen=True)
class Checkpoint:
    """The description of a model folder."""

    architecture: str
    task: str
    seed: int
    labels: list[str] | None = None
    config: dict = field(default_factory=dict)
    extra: dict = field(default_factory=dict)  # fields to add to config.json, and
    without: tuple = ()  # to remove, as in files that transformers 5 did not write
    files: dict = field(default_factory=dict)  # further JSON files
    edits: dict = field(default_factory=dict)  # functions that change JSON files
    tokenizer: object = None  # instead of the architecture's
    sharpness: float = 1.5  # see `spread`
    modules: tuple = ()  # of sentence-transformers after the transformer, see modules.py
    kind: str = "SentenceTransformer"  # model_type of the modules
    adapter: dict | None = None  # of PEFT, see adapters.py; other fields are ignored


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write config.json, model.safetensors, tokenizer.json and tokenizer_config.json."""
    folder.mkdir(exist_ok=True)
    if checkpoint.adapter is not None:
        adapters.write(folder, checkpoint.seed, **checkpoint.adapter)
        return
    torch.manual_seed(checkpoint.seed)
    architecture = ARCHITECTURES[checkpoint.architecture]
    tokenizer = (checkpoint.tokenizer or architecture.tokenizer)()
    labels = {}
    if checkpoint.labels:
        labels["id2label"] = dict(enumerate(checkpoint.labels))
        labels["label2id"] = {label: index for index, label in enumerate(checkpoint.labels)}
    config = architecture.config(tokenizer, **labels, **checkpoint.config)
    model = getattr(transformers, architecture.prefix + HEADS[checkpoint.task])(config)
    randomize(model, checkpoint.seed, checkpoint.sharpness)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    if checkpoint.extra:
        path = folder / "config.json"
        values = json.loads(path.read_text(encoding="utf-8")) | checkpoint.extra
        config = {name: values[name] for name in sorted(values) if name not in checkpoint.without}
        modules.write_json(path, config)
    for name, edit in checkpoint.edits.items():
        values = json.loads((folder / name).read_text(encoding="utf-8"))
        modules.write_json(folder / name, edit(values))
    for name, values in checkpoint.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        modules.write_json(folder / name, values)
    if checkpoint.modules:
        modules.write(folder, checkpoint.modules, checkpoint.kind, checkpoint.seed)


def randomize(model: torch.nn.Module, seed: int, sharpness: float) -> None:
    """Random weights, large enough that attention is not uniform and gradients are not tiny.

    The row of [PAD] is random too, as in published checkpoints.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(parameter, around):
        return around + 0.2 * (2 * torch.rand(parameter.shape, generator=generator) - 1)

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.lower().endswith("norm.weight"):
                values = uniform(parameter, 1.0)
            elif name.endswith("bias"):
                values = uniform(parameter, 0.0)
            else:
                values = spread(name, sharpness) * torch.randn(
                    parameter.shape, generator=generator
                )
            parameter.copy_(values)


QUERIES = ("query", "key", "query_proj", "key_proj", "q_lin", "k_lin", "attn.q", "attn.k")
OUTPUTS = ("attention.output.dense", "attention.dense", "out_lin", "attn.o", "ffn_output")


def spread(name: str, sharpness: float) -> float:
    """The standard deviation of a weight.

    Larger queries and keys and smaller attention outputs make the tokens of a text differ:
    otherwise all tokens attend to almost the same tokens.
    """
    if "relative_attention_bias" in name:  # added to the scores directly
        return 1.0
    if name.endswith(tuple(f"{end}.weight" for end in QUERIES)):
        return 0.3 * sharpness
    if name.endswith(tuple(f"{end}.weight" for end in OUTPUTS)):
        return 0.3 / sharpness
    return 0.5 if "embeddings" in name or "classifier" in name else 0.3


def cross_encoder(activation: str) -> dict:
    """The field of sentence-transformers in config.json: the class of the activation."""
    return {"sbert_ce_default_activation_function": f"torch.nn.modules.{activation}"}


def sentence_transformer(pooling: str, normalize: bool, hidden_size: int = 20) -> dict:
    """The files of sentence-transformers for an encoder."""
    kinds = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules += [("2_Normalize", "Normalize")] if normalize else []
    return {
        "modules.json": [
            {
                "idx": index,
                "name": str(index),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, (path, kind) in enumerate(modules)
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": hidden_size,
            **{f"pooling_mode_{kind}": kind == pooling for kind in kinds},
        },
    }
