"""The definitions of what happens inside a model: states after layers, gates on heads, the lens.

Layers are found by the order of their calls, because ALBERT's are shared. The states after the first layer of DeBERTa v2
with a convolution are those after the convolution.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy
import torch
from scipy.interpolate import CubicSpline


def modules(reference) -> list[tuple[torch.nn.Module, int]]:
    """The module whose output the states after each layer are, and the number of its call."""
    base = reference.model.base_model
    kind = reference.model.config.model_type
    if kind == "albert":
        groups = [group.albert_layers for group in base.encoder.albert_layer_groups]
        config = reference.model.config
        per_group = config.num_hidden_layers / config.num_hidden_groups
        order = []
        for layer in range(config.num_hidden_layers):
            order += list(groups[int(layer / per_group)])
    elif kind == "distilbert":
        order = list(base.transformer.layer)
    elif kind == "modernbert":
        order = list(base.layers)
    else:
        order = list(base.encoder.layer)
    convolution = getattr(getattr(base, "encoder", None), "conv", None)
    if convolution is not None:
        order[0] = convolution
    seen, calls = {}, []
    for module in order:
        calls.append((module, seen.setdefault(module, 0)))
        seen[module] += 1
    return calls


def projections(reference) -> list[tuple[torch.nn.Module, int]]:
    """The linear map that takes each layer's attention context, and the number of its call."""
    calls = []
    for layer, (module, call) in enumerate(modules(reference)):
        base, kind = reference.model.base_model, reference.model.config.model_type
        if kind == "albert":
            projection = module.attention.dense
        elif kind == "distilbert":
            projection = module.attention.out_lin
        elif kind == "modernbert":
            projection = module.attn.Wo
        elif kind == "mpnet":
            projection = module.attention.attn.o
        else:
            projection = base.encoder.layer[layer].attention.output.dense
        calls.append((projection, call))
    return calls


def of(output) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output[0]


def like(output, states: torch.Tensor):
    return states if isinstance(output, torch.Tensor) else (states, *output[1:])


@contextmanager
def changed(calls: list, changes: dict):
    """Applies `changes[k]` to the output of call k of `calls`, counted from 0."""
    counts, handles = {}, []

    def hook(module, _, output):
        number = counts.get(module, 0)
        counts[module] = number + 1
        for k, (own, call) in enumerate(calls):
            if own is module and call == number and k in changes:
                output = like(output, changes[k](of(output)))
        return output

    for module in {module for module, _ in calls}:
        handles.append(module.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def states(reference, function, *args) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The scalar, [rows], and the states after each layer, [rows, tokens, hidden], in one graph."""
    calls, found = modules(reference), {}
    keep = {k: lambda states, k=k: found.setdefault(k, states) for k in range(len(calls))}
    with changed(calls, keep):
        value = function(*args)
    return value, [found[k] for k in range(len(calls))]


def conductance(reference, encoded, function, baseline: str, n: int = 512) -> torch.Tensor:
    """Dhamdhere et al. 2018, [layers, tokens]: the integral of the gradient at a layer's states along their way, both
    as cubic splines through n + 1 points."""
    path = reference.from_layer("word_embeddings", function)
    ends = [encoded.with_ids(reference.replaced_ids(encoded, baseline)), encoded]
    start, end = (reference.activation("word_embeddings", one) for one in ends)
    along, gradients = [], []
    for i in range(n + 1):
        point = (start + i / n * (end - start)).requires_grad_()
        value, own = states(reference, path, point, *encoded.model_args)
        gradients.append(torch.cat(torch.autograd.grad(value.sum(), own)).numpy())
        along.append(torch.cat([state.detach() for state in own]).numpy())
    alphas = numpy.linspace(0, 1, n + 1)
    state, gradient = (CubicSpline(alphas, numpy.stack(part)) for part in (along, gradients))
    nodes, weights = numpy.polynomial.legendre.leggauss(3)  # exact for the splines' product
    total = 0
    for k in range(n):
        for node, weight in zip(nodes, weights, strict=True):
            at = (k + (node + 1) / 2) / n
            total = total + weight / (2 * n) * (gradient(at) * state(at, 1)).sum(-1)
    return torch.tensor(total)


def head_importance(reference, encoded, function) -> torch.Tensor:
    """Michel et al. 2019: the derivative with respect to a gate on each head's context, [layers, heads]."""
    calls = projections(reference)
    heads = reference.model.config.num_attention_heads
    gates = torch.ones(len(calls), heads, dtype=torch.float64, requires_grad=True)
    counts, handles = {}, []

    def hook(module, args):
        number = counts.get(module, 0)
        counts[module] = number + 1
        layer = next(k for k, (own, call) in enumerate(calls) if own is module and call == number)
        context = args[0]
        gate = gates[layer].repeat_interleave(context.shape[-1] // heads)
        return (context * gate, *args[1:])

    for module in {module for module, _ in calls}:
        handles.append(module.register_forward_pre_hook(hook))
    try:
        value = function(*encoded.model_args)
    finally:
        for handle in handles:
            handle.remove()
    return torch.autograd.grad(value.sum(), gates)[0]


def without(reference, encoded, function, layer: int, head: int) -> float:
    """The scalar with one head's context set to zero."""
    projection, call = projections(reference)[layer]
    heads, count = reference.model.config.num_attention_heads, 0

    def hook(_, args):
        nonlocal count
        count += 1
        if count - 1 != call:
            return None
        context = args[0].clone()
        size = context.shape[-1] // heads
        context[..., head * size : (head + 1) * size] = 0
        return (context, *args[1:])

    handle = projection.register_forward_pre_hook(hook)
    try:
        with torch.no_grad():
            return function(*encoded.model_args).item()
    finally:
        handle.remove()


def lens(reference, encoded) -> list[torch.Tensor]:
    """The logits of the head for the states after the embeddings and after each layer, [L + 1][tokens or 1, labels]."""
    calls, found = modules(reference), {}
    keep = {k: lambda states, k=k: found.setdefault(k, states) for k in range(len(calls))}
    with torch.no_grad(), changed(calls, keep):
        own = reference.forward(*encoded.model_args, output_hidden_states=True)
    all_states = [own.hidden_states[0], *(found[k] for k in range(len(calls)))]
    answers = []
    for state in all_states:
        with torch.no_grad(), changed(calls, {len(calls) - 1: lambda _, state=state: state}):
            answers.append(reference.task.tensors(reference, encoded, reference.forward(*encoded.model_args)))
    return answers


def at_layer(reference, encoded, function, layer: int, baseline: str, n_steps: int) -> dict:
    """Integrated gradients (Gauss-Legendre), input x gradient and saliency at the output of a layer, from 1."""
    from methods import path

    calls = modules(reference)

    def found(ids) -> torch.Tensor:
        with torch.no_grad():
            return states(reference, function, *encoded.with_ids(ids).model_args)[1][layer - 1]

    def gradient(point: torch.Tensor) -> torch.Tensor:
        point = point.detach().requires_grad_()
        with changed(calls, {layer - 1: lambda _: point}):
            value = function(*encoded.model_args)
        return torch.autograd.grad(value.sum(), point)[0]

    start, end = found(reference.replaced_ids(encoded, baseline)), found(encoded.input_ids)
    sizes, alphas = path("gausslegendre", n_steps)
    mean = sum(size * gradient(start + alpha * (end - start)) for size, alpha in zip(sizes, alphas, strict=True))
    own = gradient(end)
    return {
        "layer": layer,
        "integrated_gradients": (mean * (end - start)).sum(-1)[0].tolist(),
        "input_x_gradient": (own * end).sum(-1)[0].tolist(),
        # If a norm follows directly, the sums are 0 except for its epsilon.
        "scale": (own * end).abs().sum(-1).max().item(),
        "saliency": own.pow(2).sum(-1).sqrt()[0].tolist(),
    }
