"""Make inside.json of some folders: conductance, head importance, the lens, and methods at a layer's output.

    python make_inside.py

The checkpoints are make.py's. Where layers are modules of their own, the conductance and the methods at a layer are
checked against Captum's LayerConductance, LayerIntegratedGradients and LayerGradientXActivation,
except DeBERTa's.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import torch
from captum.attr import LayerConductance, LayerGradientXActivation, LayerIntegratedGradients

import inside
from make import write
from reference import Reference

HERE = Path(__file__).parent
BASELINE, N_STEPS = "pad", 50
FOLDERS = {
    "albert-sequence": {"index": 1},
    "bert-tiny": {"index": 1},
    "bert-mlm": None,
    "bert-qa": None,
    "bert-tokens": None,
    "camembert-sequence": {"index": 0},
    "deberta-c2p-sequence": {"index": 1},
    "deberta-conv-sequence": {"index": 0},
    "deberta-v3-sequence": {"index": 1},
    "distilbert-sequence": {"index": 0},
    "electra-sequence": {"index": 1},
    "modernbert-mean-sequence": {"index": 1},
    "modernbert-sequence": {"index": 1},
    "mpnet-sequence": {"index": 0},
}
# Captum takes a layer by its module: ALBERT calls one several times, DeBERTa's return None among their outputs.
NOT_IN_CAPTUM = ("albert", "deberta-v2")


def of_case(reference: Reference, case: dict, target: dict) -> dict:
    encoded = reference.encode(case["text"], case.get("text_pair"))
    function = reference.scalar(encoded, "logit", target)
    layers = len(inside.modules(reference))
    with torch.no_grad():
        value = function(*encoded.model_args).item()
    importance = inside.head_importance(reference, encoded, function)
    heads = importance.shape[1]
    off = [
        [inside.without(reference, encoded, function, layer, head) for head in range(heads)]
        for layer in range(layers)
    ]
    middle = (layers + 1) // 2
    made = {
        "text": case["text"],
        "text_pair": case.get("text_pair"),
        "target": target,
        "value": value,
        "conductance": inside.conductance(reference, encoded, function, BASELINE).tolist(),
        "head_importance": importance.tolist(),
        "without": off,
        "lens": [
            {name: tensor.tolist() for name, tensor in answer.items()} for answer in inside.lens(reference, encoded)
        ],
        "at_layers": [
            inside.at_layer(reference, encoded, function, layer, BASELINE, N_STEPS) for layer in sorted({1, middle, layers})
        ],
    }
    check(reference, encoded, function, made)
    return made


def check(reference: Reference, encoded, function, made: dict) -> None:
    """Compares with Captum."""
    calls = inside.modules(reference)
    if reference.model.config.model_type in NOT_IN_CAPTUM:
        return
    baseline = reference.replaced_ids(encoded, BASELINE)
    for own in made["at_layers"]:
        module, _ = calls[own["layer"] - 1]
        more = encoded.model_args[1:]

        def forward(ids, *rest):
            return function(ids, *(one.expand(ids.shape[0], -1) for one in rest))

        close(
            LayerIntegratedGradients(forward, module).attribute(
                encoded.input_ids, baseline, additional_forward_args=more, n_steps=N_STEPS, method="gausslegendre"
            ).sum(-1)[0],
            own["integrated_gradients"],
            1e-6,
        )
        close(
            LayerGradientXActivation(forward, module).attribute(encoded.input_ids, additional_forward_args=more)
            .sum(-1)[0],
            own["input_x_gradient"],
            1e-9,
        )
    path = reference.from_layer("word_embeddings", function)
    ends = [encoded.with_ids(baseline), encoded]
    start, end = (reference.activation("word_embeddings", one) for one in ends)
    for layer, (module, _) in enumerate(calls):
        scores = [
            LayerConductance(path, module)
            .attribute(end, start, additional_forward_args=encoded.model_args, n_steps=n, internal_batch_size=None)
            .sum(-1)[0]
            for n in (200, 400)
        ]
        # The error of the left ends is of first order.
        close(2 * scores[1] - scores[0], made["conductance"][layer], 1e-2)


def close(a: torch.Tensor, b: list, tolerance: float) -> None:
    a, b = a.detach().double(), torch.tensor(b, dtype=torch.float64)
    gap = (a - b).norm().item() / b.norm().item()
    assert gap < tolerance, f"{gap}: {a} is not {b}"


def target_of(case: dict) -> dict:
    """A target of the first explanation of a token task."""
    return case["explanations"][0]["target"]


def main() -> None:
    made_with = {package: version(package) for package in ("captum", "torch", "transformers")}
    for name, target in FOLDERS.items():
        reference = Reference(HERE / name)
        cases = json.loads((HERE / name / "golden.json").read_text(encoding="utf-8"))["cases"][:1]
        made = [of_case(reference, case, target or target_of(case)) for case in cases]
        write(HERE / name / "inside.json", {"made_with": made_with, "cases": made})
        print(name)


if __name__ == "__main__":
    main()
