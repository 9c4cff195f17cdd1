"""Write random BERT classifiers of common sizes with fixed seeds, to measure time and memory.

    python make_models.py OUT_DIR

Time does not depend on the weights, so no model has to be downloaded. Existing folders are kept.
The tokenizer is that of models/sentiment-en. The vocabulary size is that of published models, so
that files have the same size; the additional ids are unused.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging

TOKENIZER = Path(__file__).resolve().parents[2] / "models" / "sentiment-en"
POSITIONS = 512

# name: layers, hidden size, heads, intermediate size
SIZES = {
    "bert-base": (12, 768, 12, 3072),
    "minilm": (6, 384, 12, 1536),
    "small": (4, 128, 2, 512),
}


def main() -> None:
    """Write the missing models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    out = parser.parse_args().out
    logging.disable_progress_bar()
    for seed, (name, size) in enumerate(SIZES.items()):
        if (out / name).exists():
            print(f"{name}: exists")
            continue
        # Written under another name and renamed when complete.
        unfinished = out / f".{name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        write(unfinished, seed, *size)
        unfinished.rename(out / name)
        print(f"{name}: written")


def write(folder: Path, seed: int, layers: int, hidden: int, heads: int, inner: int) -> None:
    """Write one checkpoint folder."""
    model = random_model(seed, layers, hidden, heads, inner)
    model.save_pretrained(folder)
    shutil.copy(TOKENIZER / "tokenizer.json", folder)
    settings = json.loads((TOKENIZER / "tokenizer_config.json").read_text())
    settings["model_max_length"] = POSITIONS
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def random_model(seed: int, layers: int, hidden: int, heads: int, inner: int):
    """A model whose gradient varies along the path like a trained model's.

    The usual standard deviation of 0.02 results in almost uniform attention and a nearly linear
    model. This one results in attention scores of the same size for every hidden size."""
    config = BertConfig(
        vocab_size=30522,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=POSITIONS,
        initializer_range=(1.5 / hidden) ** 0.5,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    torch.manual_seed(seed)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):  # zero biases could hide errors
                parameter.normal_(std=0.02)
    return model


if __name__ == "__main__":
    main()
