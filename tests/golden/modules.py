"""sentence-transformers' modules as the reference: running the modules of a folder, and writing
folders with modules.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling

MEANS = ("mean", "mean_sqrt_len_tokens", "weightedmean")


def kind_of(folder: Path) -> str:
    """SentenceTransformer, CrossEncoder, or empty."""
    if not (folder / "modules.json").exists():
        return ""
    path = folder / "config_sentence_transformers.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return config.get("model_type", "SentenceTransformer")


def load(folder: Path):
    """The library's model of a folder, in float64."""
    kind = CrossEncoder if kind_of(folder) == "CrossEncoder" else SentenceTransformer
    return kind(str(folder), device="cpu").double().eval().requires_grad_(False)


class Chain:
    """The modules after the transformer."""

    def __init__(self, folder: Path):
        self.model = load(folder)
        self.modules = list(self.model)[1:]
        self.pooling = self.modules[0].pooling_mode if self.modules else None
        # The gradients of max and ReLU are discontinuous.
        kinks = [getattr(module, "activation_function", None) for module in self.modules]
        self.kinked = "max" in str(self.pooling) or any(
            isinstance(kink, torch.nn.ReLU) for kink in kinks
        )

    def features(self, hidden: torch.Tensor) -> dict:
        """The outputs for hidden states [rows, tokens, hidden], by the library's names."""
        features = {
            "token_embeddings": hidden,
            "attention_mask": torch.ones(hidden.shape[:2], dtype=torch.int64),
        }
        for module in self.modules:
            features = module(features)
        return features

    @property
    def is_mean(self) -> bool:
        """Whether the embedding is a weighted mean of hidden states up to normalization."""
        rest = self.modules[1:]
        return self.pooling in MEANS and all(isinstance(module, Normalize) for module in rest)

    def weighted(self, hidden: torch.Tensor) -> torch.Tensor:
        """[tokens, hidden] whose sum is the embedding up to normalization."""
        positions = torch.arange(len(hidden), dtype=hidden.dtype)[:, None]
        weights = positions + 1 if self.pooling == "weightedmean" else torch.ones_like(positions)
        return hidden * weights


def write(folder: Path, modules: list[tuple], kind: str, seed: int) -> None:
    """Writes modules.json and its folders with random weights, as saved by the library. A module is
    a pair of class name and arguments."""
    torch.manual_seed(seed)
    classes = {"Pooling": Pooling, "Dense": Dense, "LayerNorm": LayerNorm, "Normalize": Normalize}
    entries = [("", "sentence_transformers.base.modules.transformer.Transformer")]
    for number, (name, arguments) in enumerate(modules, start=1):
        module = classes[name](**arguments)
        with torch.no_grad():
            for parameter in module.parameters():
                around = 1.0 if name == "LayerNorm" and parameter is module.norm.weight else 0.0
                parameter.copy_(around + 0.4 * torch.randn(parameter.shape))
        path = f"{number}_{name}"
        (folder / path).mkdir(exist_ok=True)
        module.save(str(folder / path))
        entries.append((path, f"{type(module).__module__}.{name}"))
    write_json(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": kind_of_module}
            for number, (path, kind_of_module) in enumerate(entries)
        ],
    )
    write_json(folder / "config_sentence_transformers.json", {"model_type": kind, "prompts": {}})


def write_json(path: Path, values) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
