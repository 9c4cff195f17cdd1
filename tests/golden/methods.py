"""The meaning of every method, layer, baseline and quadrature.

Each takes the reference, the encoded text, the function that gives the scalar explained from the
model's arguments, and its options; it returns a score per token and what else it promises.
"""

from __future__ import annotations

import torch
from captum.attr import InputXGradient, Saliency
from captum.attr._utils.approximation_methods import approximation_parameters

NORMS = {
    "l2": lambda gradient: gradient.pow(2).sum(-1).sqrt(),
    "l1": lambda gradient: gradient.abs().sum(-1),
    "mean": lambda gradient: gradient.abs().mean(-1),
}
LAYERS = ("word_embeddings", "embeddings")
BASELINES = ("pad", "pad_all", "mask", "zero_ids", "zero")
QUADRATURES = (
    "gausslegendre",
    "riemann_left",
    "riemann_right",
    "riemann_middle",
    "riemann_trapezoid",
)
REPLACEMENTS = ("mask", "pad")
ROWS = 25  # at once


def saliency(reference, encoded, function, norm: str) -> dict:
    """Simonyan et al. 2013: the norm of each word embedding's gradient."""
    gradient = Saliency(reference.from_layer("word_embeddings", function)).attribute(
        reference.activation("word_embeddings", encoded).requires_grad_(),
        abs=True,
        additional_forward_args=encoded.model_args,
    )
    return {"token": NORMS[norm](gradient)[0].tolist()}


def input_x_gradient(reference, encoded, function) -> dict:
    """Shrikumar et al. 2016: word embedding times its gradient, summed over hidden.

    `scale` is the largest sum of absolute values: where a LayerNorm follows with nothing added
    between, the sum itself is 0 but for the norm's epsilon.
    """
    attribution = InputXGradient(reference.from_layer("word_embeddings", function)).attribute(
        reference.activation("word_embeddings", encoded).requires_grad_(),
        additional_forward_args=encoded.model_args,
    )
    return {
        "token": attribution.sum(-1)[0].detach().tolist(),
        "scale": attribution.abs().sum(-1).max().item(),
    }


def integrate(reference, encoded, function, layer, baseline, quadrature, n_steps) -> dict:
    """Sundararajan et al. 2017, at `layer`, from token ids or from the zero vector.

    Captum's sum with its step sizes and path points in float64: Captum itself rounds the former,
    and those of Riemann sums, to float32. The path has the input's positions; at the layer
    `embeddings` its beginning is what the baseline's ids give there, with their own positions.
    """
    end, start = ends(reference, encoded, layer, baseline)
    replaced = reference.from_layer(layer, function)
    steps, points = (
        torch.tensor(part, dtype=torch.float64).to(end.dtype).view(-1, 1, 1)
        for part in path(quadrature, n_steps)
    )
    total = torch.zeros_like(end)
    for step, point in zip(steps.split(ROWS), points.split(ROWS), strict=True):
        along = (start + point * (end - start)).requires_grad_()
        gradient = torch.autograd.grad(replaced(along, *encoded.model_args).sum(), along)[0]
        total += (step * gradient).sum(0)
    token = (total * (end - start))[0].sum(-1)
    with torch.no_grad():
        output_value = function(*encoded.model_args).item()
        baseline_value = replaced(start, *encoded.model_args).item()
    return {
        "token": token.tolist(),
        "output_value": output_value,
        "baseline_value": baseline_value,
        "convergence_delta": token.sum().item() - (output_value - baseline_value),
    }


def ends(reference, encoded, layer: str, baseline: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The end and the beginning of the path, [1, tokens, size]."""
    end = reference.activation(layer, encoded)
    if baseline == "zero":
        return end, torch.zeros_like(end)
    ids = reference.replaced_ids(encoded, baseline)
    return end, reference.activation(layer, encoded.with_ids(ids))


def path(quadrature: str, n_steps: int) -> tuple[list[float], list[float]]:
    """Captum's step sizes and path points in [0, 1], in float64."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return tuple(part(n_steps) for part in approximation_parameters(quadrature))
    finally:
        torch.set_default_dtype(default)


def occlusion(reference, encoded, function, unit: str, replacement: str) -> dict:
    """Zeiler & Fergus 2014, leave one out: F(x) - F(x with the token replaced).

    The units here are tokens; perturbed.py has the others. Special tokens are not replaced and get 0; positions are the input's.
    """
    assert unit == "token"
    places = [place for place, special in enumerate(encoded.special) if not special]
    rows = encoded.input_ids.repeat(len(places), 1)
    rows[range(len(places)), places] = reference.replaced_ids(encoded, replacement)[0, places]
    embedded = reference.layers["word_embeddings"](rows)
    replaced = reference.from_layer("word_embeddings", function)
    with torch.no_grad():
        output_value = function(*encoded.model_args)
        values = [replaced(part, *encoded.model_args) for part in embedded.split(ROWS)]
        falls = output_value - torch.cat(values)
    token = torch.zeros(len(encoded.special), dtype=falls.dtype)
    token[places] = falls
    return {"token": token.tolist(), "output_value": output_value.item()}


METHODS = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrate,
    "occlusion": occlusion,
}


def integrated_gradients(
    layer: str, baseline: str = "pad", quadrature: str = "gausslegendre", n_steps: int = 50
) -> tuple[str, dict]:
    """The method and options of integrated gradients, for a list of explanations to make."""
    return "integrated_gradients", {
        "layer": layer,
        "baseline": baseline,
        "quadrature": quadrature,
        "n_steps": n_steps,
    }
