"""Write a model folder in the plain Hugging Face layout, weights as 16-bit floats."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from .common import LABELS
from .tokenizer import SPECIAL


def export(model, tokenizer: Tokenizer, folder: Path, max_length: int, limit: int) -> int:
    """Save everything a loader needs; returns the size and refuses one over `limit`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("position_ids")
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # the writer makes it private
    _json(folder / "config.json", _config(model.config))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    _json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "model_max_length": max_length,
            "do_lower_case": True,
            "tokenize_chinese_chars": True,
            "strip_accents": None,
            **dict(zip(names, SPECIAL)),
        },
    )
    size = folder_size(folder)
    if size > limit:
        raise SystemExit(f"{folder.name} has {size} bytes, over its limit of {limit}")
    return size


def folder_size(folder: Path, card: bool = True) -> int:
    """Bytes of all files of a model folder, with or without its card."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if card or path.name != "README.md")


def _config(config) -> dict:
    """The fields a BERT loader reads. `dtype` asks loaders to compute in 32 bits."""
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "intermediate_size": config.intermediate_size,
        "hidden_act": config.hidden_act,
        "hidden_dropout_prob": config.hidden_dropout_prob,
        "attention_probs_dropout_prob": config.attention_probs_dropout_prob,
        "classifier_dropout": config.classifier_dropout,
        "max_position_embeddings": config.max_position_embeddings,
        "type_vocab_size": config.type_vocab_size,
        "layer_norm_eps": config.layer_norm_eps,
        "initializer_range": config.initializer_range,
        "pad_token_id": 0,
        "dtype": "float32",
        "id2label": {str(i): name for i, name in LABELS.items()},
        "label2id": {name: i for i, name in LABELS.items()},
    }


def _json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
