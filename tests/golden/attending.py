"""Attention methods: rollout, flow, gradient and norm."""

from __future__ import annotations

import re
from dataclasses import dataclass

import networkx
import torch

from units import Question

VALUES = re.compile(r"(attention\.(self\.)?(value|value_proj|v_lin)|attn\.(v|Wqkv))$")
OUTPUTS = re.compile(r"(attention\.(output\.)?(dense|out_lin)|attn\.(o|Wo))$")
UNIT = 2**200


@dataclass(frozen=True)
class Attention:
    """All attention layers of a forward pass, in order."""

    weights: torch.Tensor  # [layer, head, query, key]
    gradients: torch.Tensor  # of the scalar w.r.t. `weights`
    mapped: torch.Tensor  # [layer, head, key, hidden]: f(x), a head's output at weight 1
    added: torch.Tensor  # [layer, query, hidden]: output of all heads, including the bias
    biases: torch.Tensor  # [layer, hidden], of the output projection
    added_gradients: torch.Tensor  # of the scalar w.r.t. `added`

    def parts(self) -> torch.Tensor:
        """alpha f(x), [layer, head, query, key, hidden]."""
        return self.weights[..., None] * self.mapped[:, :, None]


def watch(question: Question) -> Attention:
    """Runs a forward and a backward pass."""
    reference, encoded = question.reference, question.encoded
    values, outputs = [], []
    hooks = []
    for name, module in reference.model.named_modules():
        if VALUES.search(name):
            hooks.append(module.register_forward_hook(lambda *call: values.append(call[2])))
        elif OUTPUTS.search(name):
            hooks.append(module.register_forward_hook(lambda *call: outputs.append(call[::2])))
    words = reference.layers["word_embeddings"]
    hooks.append(words.register_forward_hook(lambda *call: call[2].requires_grad_()))
    try:
        answer = reference.forward(*encoded.model_args, output_attentions=True)
    finally:
        for hook in hooks:
            hook.remove()
    choose = reference.task.chooser(reference, encoded, question.output, question.target)
    linears, added = zip(*outputs, strict=True)
    sources = [*answer.attentions, *added]
    gradients = torch.autograd.grad(choose(answer).sum(), sources)
    weights = torch.cat(answer.attentions).detach()
    layers, heads = weights.shape[:2]
    mapped = [
        by_heads(value[0], output, heads) for value, output in zip(values, linears, strict=True)
    ]
    return Attention(
        weights,
        gradients=torch.cat(gradients[:layers]),
        mapped=torch.stack(mapped).detach(),
        added=torch.cat(added).detach(),
        biases=torch.stack([bias_of(output) for output in linears]),
        added_gradients=torch.cat(gradients[layers:]),
    )


def by_heads(value: torch.Tensor, output: torch.nn.Linear, heads: int) -> torch.Tensor:
    """f(x) of each head, (x W_V + b_V) W_O without the output's bias, [head, token, hidden].

    `value` is the output of the value projection, or of a joint query, key and value projection.
    """
    size = output.weight.shape[1] // heads
    value = value[:, -heads * size :].view(-1, heads, size).transpose(0, 1)
    return value @ output.weight.view(-1, heads, size).permute(1, 2, 0)


def bias_of(output: torch.nn.Linear) -> torch.Tensor:
    """The bias of the output projection; zeros if it has none."""
    return output.weight.new_zeros(len(output.weight)) if output.bias is None else output.bias


def queries(question: Question) -> list[int]:
    """The tokens that the model's head uses: the target's, all for mean pooling, else the first."""
    if "token" in question.target:
        return [question.target["token"]]
    config = question.reference.model.config
    if getattr(config, "classifier_pooling", "cls") == "mean":
        return list(range(len(question.encoded.tokens)))
    return [0]


def read(question: Question, matrix: torch.Tensor) -> dict:
    """The rows of the tokens that the model's head uses, averaged."""
    return {"token": matrix[queries(question)].mean(0).tolist()}


# Matrices, [layer, head, query, key].


def mixed(attention: Attention) -> torch.Tensor:
    """Mean over heads, averaged with the identity (residual connection): [layer, query, key]."""
    weights = attention.weights.mean(1)
    return (weights + torch.eye(weights.shape[-1], dtype=weights.dtype)) / 2


def rollouts(attention: Attention) -> torch.Tensor:
    """The share of each input token in each token after each layer, [layer, query, token]."""
    layers = list(mixed(attention))
    for index in range(1, len(layers)):
        layers[index] = layers[index] @ layers[index - 1]
    return torch.stack(layers)


def matrices(attention: Attention, kind: str, heads: str) -> torch.Tensor:
    """The weights in the response's `attention`, for all layers."""
    if kind == "rollout":
        assert heads == "mean"
        return rollouts(attention)[:, None]
    if kind == "gradient":
        weighted = attention.weights * attention.gradients
        return weighted if heads == "all" else weighted.mean(1, keepdim=True)
    assert kind == "norm"
    parts = attention.parts()
    return (parts if heads == "all" else parts.sum(1, keepdim=True)).norm(dim=-1)


# Methods.


def attention_rollout(question: Question) -> dict:
    """Abnar & Zuidema 2020: the product of all layers' mixed weights."""
    return read(question, rollouts(watch(question))[-1])


def attention_flow(question: Question) -> dict:
    """Abnar & Zuidema 2020: the maximum flow from the tokens that the model's head uses to each
    input token, with mixed weights as capacities."""
    layers = mixed(watch(question))
    rows = [
        [flow(layers, query, token) for token in range(layers.shape[-1])]
        for query in queries(question)
    ]
    return {"token": torch.tensor(rows, dtype=torch.float64).mean(0).tolist()}


def flow(layers: torch.Tensor, query: int, token: int, **how) -> float:
    """The maximum flow from `query` after the last layer to `token` before the first."""
    graph = network(layers)
    ends = (len(layers), query), (0, token)
    if not all(end in graph for end in ends):
        return 0.0
    return networkx.maximum_flow_value(graph, *ends, **how) / UNIT


def network(layers: torch.Tensor) -> networkx.DiGraph:
    """A graph of nodes (layer, token), layer 0 before the first, with an edge per weight above 0.
    Capacities are exact integer multiples of 1 / UNIT, as rounding would mislead the algorithms."""
    graph = networkx.DiGraph()
    for layer, above, below in layers.nonzero().tolist():
        numerator, denominator = layers[layer, above, below].item().as_integer_ratio()
        capacity, rest = divmod(numerator * UNIT, denominator)
        assert rest == 0
        graph.add_edge((layer + 1, above), (layer, below), capacity=capacity)
    return graph


def attention_gradient(question: Question) -> dict:
    """Chefer et al. 2021 (transformer explainability for self-attention): each layer adds the mean
    over heads of the positive part of gradient times weight, times the relevance before it."""
    attention = watch(question)
    means = (attention.weights * attention.gradients).relu().mean(1)
    relevance = torch.eye(means.shape[-1], dtype=means.dtype)
    for layer in means:
        relevance = relevance + layer @ relevance
    return read(question, relevance)


def attention_norm(question: Question, layer: str) -> dict:
    """Kobayashi et al. 2020: the norm of a token's contribution by all heads, of the last layer or
    averaged over layers."""
    norms = matrices(watch(question), "norm", "mean")[:, 0]
    return read(question, norms[-1] if layer == "last" else norms.mean(0))
