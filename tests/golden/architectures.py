"""Tiny configurations of each architecture, by model_type. Add new architectures here.

Hidden sizes are not multiples of 16. Values are those of typical checkpoints; cases override them
to cover variants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import transformers
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

import tiny_tokenizers

MAX_TOKENS = tiny_tokenizers.MAX_TOKENS
SIZES = {
    "hidden_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 28,
    "max_position_embeddings": MAX_TOKENS,
}
AFTER_PAD = {"max_position_embeddings": MAX_TOKENS + 2}  # positions start at padding_idx + 1
ROBERTA = {**SIZES, **AFTER_PAD, "type_vocab_size": 1, "layer_norm_eps": 1e-5}


@dataclass(frozen=True)
class Architecture:
    """The prefix of its classes in transformers, its tokenizer, and values of its configuration."""

    prefix: str
    tokenizer: Callable[[], PreTrainedTokenizerBase]
    values: dict

    def config(self, tokenizer: PreTrainedTokenizerBase, **overrides) -> PreTrainedConfig:
        """The configuration of a tiny model for this tokenizer."""
        ids = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        if self.prefix == "ModernBert":
            ids |= {
                name: tokenizer.cls_token_id for name in ("bos_token_id", "cls_token_id")
            } | {name: tokenizer.sep_token_id for name in ("eos_token_id", "sep_token_id")}
        kind = getattr(transformers, f"{self.prefix}Config")
        return kind(**{**ids, **self.values, **overrides})


ARCHITECTURES = {
    "bert": Architecture("Bert", tiny_tokenizers.bert, SIZES),
    "distilbert": Architecture(
        "DistilBert",
        tiny_tokenizers.distilbert,
        {
            "dim": 20,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 28,
            "max_position_embeddings": MAX_TOKENS,
        },
    ),
    "roberta": Architecture("Roberta", tiny_tokenizers.roberta, ROBERTA),
    "xlm-roberta": Architecture("XLMRoberta", tiny_tokenizers.xlm_roberta, ROBERTA),
    "camembert": Architecture("Camembert", tiny_tokenizers.camembert, ROBERTA),
    "electra": Architecture("Electra", tiny_tokenizers.bert, {**SIZES, "embedding_size": 12}),
    "albert": Architecture(
        "Albert",
        tiny_tokenizers.albert,
        {**SIZES, "embedding_size": 12, "num_hidden_layers": 3, "hidden_act": "gelu_new"},
    ),
    "mpnet": Architecture(
        "MPNet", tiny_tokenizers.mpnet, {**SIZES, **AFTER_PAD, "layer_norm_eps": 1e-5}
    ),
    # As microsoft/deberta-v2-xlarge without convolution, but with absolute positions and types.
    "deberta-v2": Architecture(
        "DebertaV2",
        tiny_tokenizers.deberta,
        {
            **SIZES,
            "relative_attention": True,
            "position_biased_input": True,
            "type_vocab_size": 2,
            "pos_att_type": "c2p|p2c",
            "share_att_key": True,
            "position_buckets": 16,
            "max_relative_positions": MAX_TOKENS,
            "attention_head_size": 10,
        },
    ),
    # As microsoft/deberta-v3-base: no positions, no types, normalized relative embeddings.
    "deberta-v3": Architecture(
        "DebertaV2",
        tiny_tokenizers.deberta,
        {
            **SIZES,
            "relative_attention": True,
            "position_biased_input": False,
            "type_vocab_size": 0,
            "pos_att_type": "p2c|c2p",
            "share_att_key": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
        },
    ),
    "modernbert": Architecture(
        "ModernBert",
        tiny_tokenizers.modernbert,
        {
            **SIZES,
            "num_hidden_layers": 4,
            "intermediate_size": 24,
            "global_attn_every_n_layers": 3,
            "local_attention": 8,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 160.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10.0},
            },
        },
    ),
}
