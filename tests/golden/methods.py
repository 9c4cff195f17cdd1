"""The definition of every method, layer, baseline and quadrature.

A method takes the reference, the encoded text, the explained scalar as a function of the model's
arguments, and its options. It returns a score per token and its other values.
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
ROWS = 25  # maximum batch size


def saliency(reference, encoded, function, norm: str) -> dict:
    """Simonyan et al. 2013: the norm of the gradient of each word embedding."""
    gradient = Saliency(reference.from_layer("word_embeddings", function)).attribute(
        reference.activation("word_embeddings", encoded).requires_grad_(),
        abs=True,
        additional_forward_args=encoded.model_args,
    )
    return {"token": NORMS[norm](gradient)[0].tolist()}


def input_x_gradient(reference, encoded, function) -> dict:
    """Shrikumar et al. 2016: word embedding times its gradient, summed over hidden.

    `scale` is the largest sum of absolute values: if a LayerNorm follows directly, the sum itself
    is 0 except for the norm's epsilon.
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
    """Sundararajan et al. 2017, at `layer`, from a baseline of token ids or the zero vector.

    Captum's sum with step sizes and path points in float64: Captum rounds step sizes, and path
    points of Riemann sums, to float32. The path has the input's positions; at the layer
    `embeddings`, it starts at the layer's output for the baseline's ids, with their own positions.
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
    """The end and the start of the path, [1, tokens, size]."""
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
    """Zeiler & Fergus 2014: F(x) - F(x with the token replaced).

    Only for tokens; perturbed.py has other units. Special tokens are kept and have the score 0.
    """
    assert unit == "token"
    tokens = [token for token, special in enumerate(encoded.special) if not special]
    rows = encoded.input_ids.repeat(len(tokens), 1)
    rows[range(len(tokens)), tokens] = reference.replaced_ids(encoded, replacement)[0, tokens]
    embedded = reference.layers["word_embeddings"](rows)
    replaced = reference.from_layer("word_embeddings", function)
    with torch.no_grad():
        output_value = function(*encoded.model_args)
        values = [replaced(part, *encoded.model_args) for part in embedded.split(ROWS)]
        falls = output_value - torch.cat(values)
    scores = torch.zeros(len(encoded.special), dtype=falls.dtype)
    scores[tokens] = falls
    return {"token": scores.tolist(), "output_value": output_value.item()}


METHODS = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrate,
    "occlusion": occlusion,
}


def integrated_gradients(
    layer: str, baseline: str = "pad", quadrature: str = "gausslegendre", n_steps: int = 50
) -> tuple[str, dict]:
    """The method name and options of integrated gradients."""
    return "integrated_gradients", {
        "layer": layer,
        "baseline": baseline,
        "quadrature": quadrature,
        "n_steps": n_steps,
    }
