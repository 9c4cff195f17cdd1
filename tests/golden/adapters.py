"""LoRA adapters of PEFT: writing folders, and merging an adapter into its base model."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import LoraConfig, PeftModel, get_peft_model

# Numbers with few bits, whose products are exact in any order and precision.
GRID = 1 / 16


def is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").exists() and not (folder / "config.json").exists()


def base_of(folder: Path) -> Path:
    """The folder of the base model, relative to the adapter's."""
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return (folder / config["base_model_name_or_path"]).resolve()


def merged(folder: Path, auto):
    """The model with the adapter merged by PEFT in float32."""
    base = auto.from_pretrained(base_of(folder), attn_implementation="eager")
    return PeftModel.from_pretrained(base, folder).merge_and_unload()


def write(folder: Path, seed: int, base: str, auto, **config) -> None:
    """Writes a random adapter, as saved by PEFT, and the base's tokenizer."""
    torch.manual_seed(seed)
    model = auto.from_pretrained(folder.parent / base)
    model = get_peft_model(model, LoraConfig(**config))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_((torch.randn(parameter.shape) * 2).round() * GRID)
            elif parameter.requires_grad:
                parameter.copy_(0.4 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "adapter_model.safetensors").chmod(0o644)
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["base_model_name_or_path"] = f"../{base}"
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder.parent / base / name, folder / name)
