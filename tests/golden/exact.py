"""ModernBERT in the model's own precision.

transformers computes ModernBERT's softmax, rotary embeddings and their angles in float32 for every
precision of the model. Importing this module replaces these three functions, so that golden values
are exact in float64. In float32, the replacements give the same results.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from transformers.models.modernbert import modeling_modernbert as modernbert


def attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
    """Returns softmax(q k / sqrt(size) + mask) v, and the softmax."""
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def rotate(q, k, cos, sin, unsqueeze_dim=1):
    """Rotary position embeddings: the halves of a head are the two coordinates."""
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return tuple(x * cos + modernbert.rotate_half(x) * sin for x in (q, k))


def rotary(self, x, position_ids, layer_type):
    """cos and sin of position / theta^(2i / size), [rows, tokens, size]."""
    parameters = self.config.rope_parameters[layer_type]
    assert parameters["rope_type"] == "default"
    size = self.config.hidden_size // self.config.num_attention_heads
    exponents = torch.arange(0, size, 2, dtype=x.dtype) / size
    frequencies = 1.0 / parameters["rope_theta"] ** exponents
    angles = position_ids[..., None].to(x.dtype) * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


REPLACED = {
    (modernbert, "eager_attention_forward"): attention,
    (modernbert, "apply_rotary_pos_emb"): rotate,
    (modernbert.ModernBertRotaryEmbedding, "forward"): rotary,
}
ORIGINALS = {(owner, name): getattr(owner, name) for owner, name in REPLACED}


def install(functions: dict) -> None:
    """Replace functions."""
    for (owner, name), function in functions.items():
        setattr(owner, name, function)


@contextmanager
def transformers_own():
    """Restores transformers' own functions within the context."""
    install(ORIGINALS)
    try:
        yield
    finally:
        install(REPLACED)


install(REPLACED)
