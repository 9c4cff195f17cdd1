"""What must hold of golden values, by other means than those that made them."""

from __future__ import annotations

import torch
from captum.attr import IntegratedGradients
from captum.attr._utils.approximation_methods import approximation_parameters

from reference import BASELINES, LAYERS, Encoded, Reference, integrated_gradients

LIMITS = {
    "attention rows sum to 1": 1e-12,
    "zero baseline by hook = by inputs_embeds or encoder": 1e-12,
    "delta = sum(token) - (output - baseline)": 1e-12,
    "Captum = its quadrature all in float64, relative": 1e-6,
    "completeness at n = 200": 1e-6,
}


def check(reference: Reference, cases: list[dict]) -> dict[str, float]:
    """The largest error of each name of LIMITS over the texts of a golden.json."""
    largest = dict.fromkeys(LIMITS, 0.0)
    for case in cases:
        encoded = reference.encode(case["text"], case["text_pair"])
        integrals = [
            explanation
            for explanation in case["explanations"]
            if explanation["method"] == "integrated_gradients"
        ]
        errors = (
            rows_sum_to_one(case["attentions"]),
            wrapped_zero(reference, encoded),
            max(map(delta_formula, integrals)),
            max(exact_integral(reference, encoded, integral) for integral in integrals),
            completeness(reference, encoded),
        )
        for (name, limit), error in zip(LIMITS.items(), errors, strict=True):
            assert error < limit, f"{case['text']}: {name}: {error} is not below {limit}"
            largest[name] = max(largest[name], error)
    return largest


def double(values: list) -> torch.Tensor:
    """A float64 tensor of numbers."""
    return torch.tensor(values, dtype=torch.float64)


def rows_sum_to_one(attentions: list) -> float:
    """The largest distance from 1."""
    return (double(attentions).sum(-1) - 1).abs().max().item()


def delta_formula(explanation: dict) -> float:
    """Captum's convergence delta against the formula."""
    rise = explanation["output_value"] - explanation["baseline_value"]
    return abs(sum(explanation["token"]) - rise - explanation["convergence_delta"])


def exact_integral(reference: Reference, encoded: Encoded, explanation: dict) -> float:
    """Captum against the same sum without its float32 step sizes and path points."""
    options = explanation["options"]
    layer, baseline = options["layer"], options["baseline"]
    hidden = reference.activation(layer, encoded)
    if baseline == "zero":
        start = torch.zeros_like(hidden)
    else:
        ids = reference.baseline_ids(encoded, baseline)
        start = reference.activation(layer, encoded.with_ids(ids))
    scalar = reference.scalar(explanation["output"], explanation["target"])
    function = reference.from_layer(layer, scalar)
    total = torch.zeros_like(hidden)
    for step, point in zip(*path(options["quadrature"], options["n_steps"])):
        at = (start + point * (hidden - start)).requires_grad_()
        total += step * torch.autograd.grad(function(at, *encoded.model_args).sum(), at)[0]
    exact = (total * (hidden - start)).sum(-1)[0]
    return ((double(explanation["token"]) - exact).abs().max() / exact.abs().max()).item()


def path(quadrature: str, n_steps: int) -> tuple[list[float], list[float]]:
    """Captum's step sizes and path points in [0, 1], in float64."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return tuple(part(n_steps) for part in approximation_parameters(quadrature))
    finally:
        torch.set_default_dtype(default)


def completeness(reference: Reference, encoded: Encoded) -> float:
    """The largest delta of 200 Gauss-Legendre steps, over layers and baselines."""
    deltas = []
    for layer in LAYERS:
        for baseline in BASELINES:
            method = integrated_gradients(layer, baseline, n_steps=200)
            answer = reference.explain(encoded, *method, "logit", {"index": 0})
            deltas.append(abs(answer["convergence_delta"]))
    return max(deltas)


def wrapped_zero(reference: Reference, encoded: Encoded) -> float:
    """The zero baseline by the model's own entrances, against the hooks of `Reference`."""
    model, (_, token_type_ids, attention_mask) = reference.model, encoded.model_args

    def from_words(hidden):
        rows = hidden.shape[0]
        return model(
            inputs_embeds=hidden,
            token_type_ids=token_type_ids.expand(rows, -1),
            attention_mask=attention_mask.expand(rows, -1),
        ).logits[:, 0]

    def from_embeddings(hidden):
        body = model.base_model
        return model.classifier(body.pooler(body.encoder(hidden)[0]))[:, 0]

    largest = 0.0
    for layer, function in (("word_embeddings", from_words), ("embeddings", from_embeddings)):
        hidden = reference.activation(layer, encoded)
        wrapped = IntegratedGradients(function).attribute(hidden, n_steps=5).sum(-1)[0]
        method = integrated_gradients(layer, "zero", n_steps=5)
        hooked = reference.explain(encoded, *method, "logit", {"index": 0})["token"]
        largest = max(largest, (wrapped - double(hooked)).abs().max().item())
    return largest
