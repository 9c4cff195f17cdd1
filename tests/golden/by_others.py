"""Comparisons with Captum and shap: pairs of name and relative error of an explanation."""

from __future__ import annotations

from unittest import mock

import numpy as np
import torch
from captum.attr import FeatureAblation, GradientShap, NoiseTunnel, Saliency
from shap.explainers import KernelExplainer, PartitionExplainer

from draws import stream
from methods import NORMS, ends
from noisy import noise
from owen import Node, shapley, tree
from perturbed import coalitions
from units import Game, Question


def relative(ours, theirs) -> float:
    """max |a - b| / max |b|"""
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


# Captum, with our random numbers instead of its own.


def by_noise_tunnel(question: Question, token, n_samples, noise_level, norm):
    """NoiseTunnel of signed Saliency."""
    reference, encoded = question.reference, question.encoded
    embeddings = reference.activation("word_embeddings", encoded)
    drawn = [noise(stream(question.seed, i), embeddings, noise_level) for i in range(n_samples)]
    saliency = Saliency(reference.from_layer("word_embeddings", question.function))
    with mock.patch("torch.normal", lambda *_: torch.cat(drawn)):
        mean = NoiseTunnel(saliency).attribute(
            embeddings,
            nt_samples=n_samples,
            abs=False,
            additional_forward_args=encoded.model_args,
        )
    yield "smooth_grad = Captum's", relative(NORMS[norm](mean)[0].detach(), token)


def by_gradient_shap(question: Question, token, n_samples, baseline, noise_level=0.0):
    """GradientShap."""
    reference, encoded = question.reference, question.encoded
    end, start = ends(reference, encoded, "word_embeddings", baseline)
    streams = [stream(question.seed, number) for number in range(n_samples)]
    points = [draws.uniform() for draws in streams]
    drawn = torch.cat([noise(draws, end, noise_level) for draws in streams])
    explainer = GradientShap(reference.from_layer("word_embeddings", question.function))
    with (
        mock.patch("torch.normal", lambda *_: drawn),
        mock.patch("numpy.random.uniform", lambda *_: np.array(points)),
    ):
        attribution = explainer.attribute(
            end, start, n_samples=n_samples, additional_forward_args=encoded.model_args
        )
    yield "gradient_shap = Captum's", relative(attribution.sum(-1)[0].detach(), token)


def by_ablation(question: Question, token, unit, replacement):
    """FeatureAblation with one feature per unit."""
    if replacement == "remove":
        return
    reference, encoded = question.reference, question.encoded
    features = torch.zeros_like(encoded.input_ids)
    sizes = torch.zeros(encoded.input_ids.shape[1])
    for number, one in enumerate(question.units(unit, replacement), start=1):
        features[0, list(one.tokens)] = number
        sizes[list(one.tokens)] = 1 / len(one.tokens)
    words = reference.layers["word_embeddings"]
    attribution = FeatureAblation(
        reference.from_layer("word_embeddings", question.function)
    ).attribute(
        words(encoded.input_ids),
        baselines=words(reference.replaced_ids(encoded, replacement)),
        feature_mask=features[..., None],
        additional_forward_args=encoded.model_args,
    )[0, :, 0]
    yield "occlusion = Captum's feature ablation", relative(attribution * sizes, token)


# shap.


def by_kernel_explainer(question: Question, token, max_evals, unit, replacement):
    """KernelExplainer, and Shapley values if it evaluates every coalition."""
    game = Game(question, unit, replacement)
    explainer, values = kernel_explainer(question.seed, game, max_evals)
    yield "kernel_shap = shap's", relative(game.spread(values), token)
    if len(game) > 1:
        rows, weights = coalitions(question.seed, len(game), max_evals)
        count = explainer.nsamplesAdded
        assert (explainer.maskMatrix[:count] == rows).all()
        yield (
            "weights of coalitions = shap's",
            relative(explainer.kernelWeights[:count], weights),
        )
    if max_evals >= 2 ** len(game):
        yield "all coalitions = Shapley values", relative(game.spread(shapley(game)), token)


def kernel_explainer(seed: int, game: Game, max_evals: int):
    """Runs shap's explainer with our random sizes and permutations; returns it and its scores."""
    n = len(game)
    draws, members = stream(seed, 0), []

    def choice(count, size, p):
        sizes = []
        for _ in range(size):
            number = draws.uniform()
            sizes.append(min(int(np.searchsorted(np.cumsum(p), number, "right")), count - 1))
            chosen = draws.subset(n, sizes[-1] + n // 2 - count + 1)
            members.append([*chosen, *(unit for unit in range(n) if unit not in chosen)])
        return np.array(sizes)

    explainer = KernelExplainer(
        lambda rows: np.array([game(row) for row in rows]), np.zeros((1, n))
    )
    with (
        mock.patch("numpy.random.choice", choice),
        mock.patch("numpy.random.permutation", lambda _: np.array(members.pop(0))),
    ):
        values = explainer.shap_values(
            np.ones((1, n)), nsamples=max_evals - 2, l1_reg=False, silent=True
        )
    return explainer, values[0]


class Mask:
    """A masker that passes the coalition to the model."""

    def __init__(self, clustering: np.ndarray):
        self.clustering = clustering
        self.shape = (1, len(clustering) + 1)

    def __call__(self, mask, _):
        return (np.asarray(mask, dtype=float)[None],)


def by_partition_explainer(question: Question, token, max_evals, unit, replacement):
    """PartitionExplainer with our tree, or KernelExplainer with every coalition."""
    game = Game(question, unit, replacement)
    n = len(game)
    if 2**n <= max_evals:
        _, values = kernel_explainer(question.seed, game, 2**n)
        yield "Shapley values = shap's of all coalitions", relative(game.spread(values), token)
        return
    clusters: list[list[float]] = []
    linkage(tree(game.units, 0, n), n, clusters)
    explainer = PartitionExplainer(
        lambda rows: np.array([game(row) for row in rows]), Mask(np.array(clusters))
    )
    values = explainer(np.ones((1, n)), max_evals=10**9, batch_size=10, silent=True).values[0]
    evaluations = 2 + tree(game.units, 0, n).evaluations()
    assert explainer.last_eval_count + 2 == evaluations
    yield "Owen values = shap's", relative(game.spread(values), token)


def linkage(node: Node, n: int, clusters: list[list[float]]) -> int:
    """Adds the node's clusters and returns its number, as in scipy's linkage matrices."""
    if node.parts is None:
        return node.low
    parts = [linkage(part, n, clusters) for part in node.parts]
    clusters.append([*parts, node.high - node.low, node.high - node.low])
    return n + len(clusters) - 1
