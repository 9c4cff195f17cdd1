"""Make mixing.json of some folders: how tokens mix in each layer, by three measures.

    python make_mixing.py

The checkpoints are make.py's. Everything follows the papers, with the model's own modules: norms after the attention
block divide by the standard deviation that the model divides by (ALTI's code takes that of a sample, with n - 1).
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch

import inside
from attending import OUTPUTS, VALUES, bias_of, by_heads
from make import write
from make_inside import FOLDERS
from reference import Reference

HERE = Path(__file__).parent
NORMS = re.compile(r"(attention\.output\.LayerNorm|attention\.LayerNorm|sa_layer_norm)$")


@contextmanager
def hooked(reference: Reference, pattern: re.Pattern, hook):
    """Calls hook(number of the call, module, inputs, output) after every call of the modules with these names."""
    count = iter(range(1000))
    found = [module for name, module in reference.model.named_modules() if pattern.search(name)]
    handles = [
        module.register_forward_hook(lambda module, given, output: hook(next(count), module, given, output))
        for module in dict.fromkeys(found)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def contributions(reference: Reference, encoded) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """T_i(x_j), [query, key, hidden], and the output of the attention block, [query, hidden], of every layer."""
    values, outputs, norms = [], [], []
    with (
        hooked(reference, VALUES, lambda *call: values.append(call[3][0])),
        hooked(reference, OUTPUTS, lambda *call: outputs.append((call[1], call[3][0]))),
        hooked(reference, NORMS, lambda *call: norms.append((call[1], call[2][0][0], call[3][0]))),
    ):
        answer = reference.forward(*encoded.model_args, output_attentions=True, output_hidden_states=True)
    found = []
    for layer, (weights, value, (linear, added)) in enumerate(zip(answer.attentions, values, outputs, strict=True)):
        vectors = by_heads(value, linear, weights.shape[1])
        parts = torch.einsum("hqk,hkd->qkd", weights[0], vectors)
        if norms:
            module, before, after = norms[layer]
            parts = parts + torch.eye(len(before), dtype=before.dtype)[..., None] * (before - added)
            deviation = (before.var(-1, unbiased=False) + module.eps).sqrt()[:, None]
            bias = linear_part(bias_of(linear), module) / deviation + module.bias
            parts = linear_part(parts, module) / deviation[:, None]
            output = after
        else:
            state = answer.hidden_states[layer][0]
            parts = parts + torch.eye(len(state), dtype=state.dtype)[..., None] * state
            bias, output = bias_of(linear), state + added
        torch.testing.assert_close(parts.sum(1) + bias, output, rtol=1e-9, atol=1e-9)
        found.append((parts, output))
    return found


def linear_part(vectors: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    return norm.weight * (vectors - vectors.mean(-1, keepdim=True))


def alti(parts: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Ferrando et al. 2022, equations 9 and 10."""
    near = output.norm(p=1, dim=-1)[:, None] - (output[:, None] - parts).norm(p=1, dim=-1)
    near = near.relu()
    return near / near.sum(-1, keepdim=True)


@torch.no_grad()
def value_zeroing(reference: Reference, encoded, layer: int) -> torch.Tensor:
    """Mohebbi et al. 2023: the cosine distance of a layer's outputs without the value vectors of a token, [query, key]."""
    function = lambda *args: reference.forward(*args).to_tuple()[0]
    _, plain = inside.states(reference, function, *encoded.model_args)
    tokens, columns = encoded.input_ids.shape[1], []
    for token in range(tokens):

        def zero(number, module, _, output, token=token):
            if number == layer:
                output = output.clone()
                # A joint projection has queries and keys first.
                start = output.shape[-1] * 2 // 3 if module.__class__ is torch.nn.Linear and joint(module) else 0
                output[0, token, start:] = 0
            return output

        with hooked(reference, VALUES, zero):
            _, changed = inside.states(reference, function, *encoded.model_args)
        columns.append(1 - torch.nn.functional.cosine_similarity(changed[layer][0], plain[layer][0], dim=-1, eps=0))
    distances = torch.stack(columns, 1)
    return distances / distances.sum(-1, keepdim=True)


def joint(linear: torch.nn.Linear) -> bool:
    return linear.out_features == 3 * linear.in_features


def of_case(reference: Reference, case: dict) -> dict:
    encoded = reference.encode(case["text"], case.get("text_pair"))
    blocks = contributions(reference, encoded)
    return {
        "text": case["text"],
        "text_pair": case.get("text_pair"),
        "block_norm": [parts.norm(dim=-1).tolist() for parts, _ in blocks],
        "alti": [alti(*block).tolist() for block in blocks],
        "value_zeroing": [value_zeroing(reference, encoded, layer).tolist() for layer in range(len(blocks))],
    }


def main() -> None:
    made_with = {package: version(package) for package in ("torch", "transformers")}
    for name in FOLDERS:
        reference = Reference(HERE / name)
        cases = json.loads((HERE / name / "golden.json").read_text(encoding="utf-8"))["cases"][:1]
        made = [of_case(reference, case) for case in cases]
        write(HERE / name / "mixing.json", {"made_with": made_with, "cases": made})
        print(name)


if __name__ == "__main__":
    main()
