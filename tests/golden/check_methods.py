"""Checks of methods.json by independent means."""

from __future__ import annotations

import numpy as np
import torch
from networkx.algorithms.flow import shortest_augmenting_path

import by_others
from attending import Attention, flow, mixed, queries, watch
from by_others import relative
from faithful import by_deletion
from units import Question

EXACT = 1e-10
FLOAT32 = 3e-5


def check(question: Question, spec, case: dict) -> dict[str, float]:
    """The largest relative error by name."""
    errors = {}
    for (method, options), token in zip(spec.methods, case["token"], strict=True):
        for name, error in CHECKS.get(method, nothing)(question, token, **options):
            errors[name] = max(errors.get(name, 0.0), error)
    if spec.attention:
        errors |= attention_errors(watch(question))
    if spec.evaluate:
        for values, scores in zip(case["evaluation"].values(), case["token"], strict=True):
            ours = by_deletion(question, np.array(scores[1:-1]))
            error = max(abs(values[name] - ours[name]) for name in ours)
            errors["measures = by deletion"] = max(
                errors.get("measures = by deletion", 0.0), error
            )
    for name, error in errors.items():
        assert error < EXACT, f"{spec.text}: {name}: {error}"
    return errors


def rounded(spec, case: dict, single: dict) -> dict[str, float]:
    """Relative errors of float32; without input x gradient, which may cancel to 0."""
    errors = {}
    pairs = [*zip(spec.methods, single["token"], case["token"], strict=True)]
    found = [
        (f"float32: {name}", relative(ours, theirs))
        for (name, _), ours, theirs in pairs
        if name != "input_x_gradient"
    ]
    if "attention" in case:
        kind = spec.attention["kind"]
        weights = (one["attention"]["weights"] for one in (single, case))
        found.append((f"float32: attention, {kind}", relative(*weights)))
    for fit, exact in zip(single.get("fit", []), case.get("fit", []), strict=True):
        if fit:
            found += [("float32: fit", relative(fit[name], exact[name])) for name in fit]
    for method, values in case.get("evaluation", {}).items():
        theirs = single["evaluation"][method]
        found += [("float32: evaluation", abs(theirs[name] - values[name])) for name in values]
    for name, error in found:
        assert error < FLOAT32, f"{spec.text}: {name}: {error}"
        errors[name] = max(errors.get(name, 0.0), error)
    return errors


def nothing(*_, **__) -> tuple:
    """For other methods, which selfcheck.py or `attention_errors` check."""
    return ()


# Attention.


def by_augmenting_paths(question: Question, token):
    """The maximum flow by another algorithm."""
    layers = mixed(watch(question))
    flows = [
        [
            flow(layers, query, index, flow_func=shortest_augmenting_path)
            for index in range(len(token))
        ]
        for query in queries(question)
    ]
    yield "flow by another algorithm", relative(np.mean(flows, 0), token)


def attention_errors(attention: Attention) -> dict[str, float]:
    """The sum over heads and tokens equals the layer's output. The gradient w.r.t. a weight equals
    the gradient w.r.t. the output times f(x) of the token."""
    added = attention.parts().sum((1, 3)) + attention.biases[:, None]
    gradients = torch.einsum("lqd,lhkd->lhqk", attention.added_gradients, attention.mapped)
    return {
        "sum over heads = output projection": relative(added, attention.added),
        "gradients of weights = by chain rule": relative(gradients, attention.gradients),
    }


CHECKS = {
    "smooth_grad": by_others.by_noise_tunnel,
    "gradient_shap": by_others.by_gradient_shap,
    "occlusion": by_others.by_ablation,
    "kernel_shap": by_others.by_kernel_explainer,
    "partition_shap": by_others.by_partition_explainer,
    "attention_flow": by_augmenting_paths,
}
