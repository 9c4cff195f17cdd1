"""Make states.json of some folders: the hidden states after every layer, as one vector per text.

    python make_states.py

The checkpoints are make.py's, and the token ids are those of its golden.json. `mean` is the mean over all tokens,
`first` the first token's state; layer 0 is the embedding block, and the last one is what the head reads.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from make import write

HERE = Path(__file__).parent
FOLDERS = ("bert-tiny", "deberta-conv-sequence", "electra-sequence", "modernbert-sequence", "albert-sequence")


def states(folder: Path) -> list[dict]:
    """The states of the first two cases."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float64).eval()
    cases = json.loads((folder / "golden.json").read_text(encoding="utf-8"))["cases"]
    made = []
    for case in cases[:2]:
        ids = torch.tensor([case["input_ids"]])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if any(case["token_type_ids"]):
            inputs["token_type_ids"] = torch.tensor([case["token_type_ids"]])
        with torch.no_grad():
            output = model.base_model(**inputs, output_hidden_states=True)
        layers = [*output.hidden_states[:-1], output.last_hidden_state]
        made.append({
            "text": case["text"],
            "text_pair": case["text_pair"],
            "input_ids": case["input_ids"],
            "mean": [layer[0].mean(dim=0).tolist() for layer in layers],
            "first": [layer[0, 0].tolist() for layer in layers],
        })
    return made


def main() -> None:
    made_with = {package: version(package) for package in ("torch", "transformers")}
    for name in FOLDERS:
        write(HERE / name / "states.json", {"made_with": made_with, "cases": states(HERE / name)})


if __name__ == "__main__":
    main()
