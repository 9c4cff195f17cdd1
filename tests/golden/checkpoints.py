"""Tiny random models and their tokenizers, reproducible from a seed."""

from __future__ import annotations

import string

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

MAX_TOKENS = 40

# The vocabulary. [PAD] is not 0, so that the baselines pad_all and zero_ids differ.

SPECIAL = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """
the of and to in is it this that was for on with as but be at not have from i you he she we they
movie film story plot actor great good bad really very like love hate fun dull ok best worst
never always some no yes so too much more i'm who what why how made see watch time end
music scene one two first last well new old book day
""".split()
SUFFIXES = ["##ing", "##ed", "##er", "##est", "##ly", "##es", "##able", "##ful", "##ness", "##ive"]
CHINESE = list("这部电影真的很棒不好看我喜欢差人是了在一故事无聊,。")


def vocabulary() -> dict[str, int]:
    """WordPiece pieces and their ids."""
    letters = list(string.ascii_lowercase)
    pieces = [
        *SPECIAL,
        *letters,
        *(f"##{letter}" for letter in letters),
        *string.digits,
        *(f"##{digit}" for digit in string.digits),
        *".,!?'\"()-:;%",
        *SUFFIXES,
        *WORDS,
        *CHINESE,
    ]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}


def bert_tokenizer() -> BertTokenizer:
    """Lower-casing WordPiece over `vocabulary`."""
    return BertTokenizer(vocab=vocabulary(), do_lower_case=True, model_max_length=MAX_TOKENS)


def bert_sequence_classifier(labels: list[str], problem_type: str):
    """An untrained BERT whose hidden size is no multiple of 16, with a row per vocabulary piece."""
    pieces = vocabulary()
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        hidden_act="gelu",
        max_position_embeddings=MAX_TOKENS,
        type_vocab_size=2,
        pad_token_id=pieces["[PAD]"],
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        problem_type=problem_type,
    )
    return BertForSequenceClassification(config)


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Weights wide enough that attention is not uniform and gradients are not tiny."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(parameter, around):
        return around + 0.2 * (2 * torch.rand(parameter.shape, generator=generator) - 1)

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("LayerNorm.weight"):
                values = uniform(parameter, 1.0)
            elif name.endswith("bias"):
                values = uniform(parameter, 0.0)
            else:
                spread = 0.5 if "embeddings" in name or "classifier" in name else 0.3
                values = spread * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(values)
