"""Methods with gradients at noisy or random points."""

from __future__ import annotations

import torch

from draws import Draws, stream
from methods import NORMS, ends
from units import Question


def gradient(question: Question, embeddings: torch.Tensor) -> torch.Tensor:
    """The gradient of the scalar w.r.t. word embeddings, at `embeddings`."""
    replaced = question.reference.from_layer("word_embeddings", question.function)
    here = embeddings.detach().requires_grad_()
    return torch.autograd.grad(replaced(here, *question.encoded.model_args).sum(), here)[0]


def noise(draws: Draws, embeddings: torch.Tensor, level: float) -> torch.Tensor:
    """Normal noise with a standard deviation of `level` times the range of the embeddings, drawn by
    token, then by dimension."""
    sigma = level * (embeddings.max() - embeddings.min())
    drawn = [draws.normal() for _ in range(embeddings.numel())]
    normal = torch.tensor(drawn, dtype=torch.float64).view_as(embeddings)
    return normal.to(embeddings.dtype) * sigma


def smooth_grad(question: Question, n_samples: int, noise_level: float, norm: str) -> dict:
    """Smilkov et al. 2017: the norm per token of the mean gradient of noisy word embeddings.

    Sample i draws from stream i. The mean is of signed gradients.
    """
    embeddings = question.reference.activation("word_embeddings", question.encoded)
    total = torch.zeros_like(embeddings)
    for number in range(n_samples):
        moved = noise(stream(question.seed, number), embeddings, noise_level)
        total += gradient(question, embeddings + moved)
    return {"token": NORMS[norm](total / n_samples)[0].tolist()}


def gradient_shap(
    question: Question, n_samples: int, baseline: str, noise_level: float = 0.0
) -> dict:
    """Expected gradients from one baseline, as Captum's GradientShap.

    Sample i draws from stream i the point on the path, then the noise of the path's end, if any.
    """
    end, start = ends(question.reference, question.encoded, "word_embeddings", baseline)
    total = torch.zeros_like(end)
    for number in range(n_samples):
        draws = stream(question.seed, number)
        alpha = draws.uniform()
        noisy = end + noise(draws, end, noise_level) if noise_level > 0 else end
        total += (noisy - start) * gradient(question, start + alpha * (noisy - start))
    replaced = question.reference.from_layer("word_embeddings", question.function)
    with torch.no_grad():
        baseline_value = replaced(start, *question.encoded.model_args).item()
    return {"token": (total / n_samples)[0].sum(-1).tolist(), "baseline_value": baseline_value}
