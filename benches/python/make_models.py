"""Write seeded random BERT classifiers of common sizes, to measure time and memory on.

    python make_models.py OUT_DIR

Time does not depend on what a model has learnt, so nothing need be downloaded. A folder that
exists is left as it is. The tokenizer is that of models/sentiment-en; the ids that it cannot
give have embeddings too, so that the files are as large as those of published models.
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

# name: layers, hidden size, heads, inner size
SIZES = {
    "bert-base": (12, 768, 12, 3072),
    "minilm": (6, 384, 12, 1536),
    "small": (4, 128, 2, 512),
}


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    out = parser.parse_args().out
    logging.disable_progress_bar()
    for seed, (name, size) in enumerate(SIZES.items()):
        if (out / name).exists():
            print(f"{name}: exists")
            continue
        # Written elsewhere first: a folder under its own name is complete.
        unfinished = out / f".{name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        write(unfinished, seed, *size)
        unfinished.rename(out / name)
        print(f"{name}: written")


def write(folder: Path, seed: int, layers: int, hidden: int, heads: int, inner: int) -> None:
    """One checkpoint folder."""
    model = random_model(seed, layers, hidden, heads, inner)
    model.save_pretrained(folder)
    shutil.copy(TOKENIZER / "tokenizer.json", folder)
    settings = json.loads((TOKENIZER / "tokenizer_config.json").read_text())
    settings["model_max_length"] = POSITIONS
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def random_model(seed: int, layers: int, hidden: int, heads: int, inner: int):
    """A model whose gradient varies along the path, as a trained model's does.

    The usual 0.02 gives attention that is all but even and a nearly linear model. This spread
    gives attention scores the same size at every width. The seed fixes the weights."""
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
            if name.endswith("bias"):  # zero until now, which would hide an error
                parameter.normal_(std=0.02)
    return model


if __name__ == "__main__":
    main()
