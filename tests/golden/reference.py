"""transformers as the reference: a model folder of any architecture and task, in any precision.

Shared by make.py, which writes golden values, and check_folder.py, which compares them with a
running service. Runs one sequence at a time, without padding, so that attention masks are all ones.
methods.py has the explanations, tasks.py the differences between tasks.
"""

from __future__ import annotations

import inspect
import os
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import AutoTokenizer
from transformers.utils import logging

import adapters
import exact  # noqa: F401  ModernBERT in the model's precision
from methods import METHODS
from tasks import task_of

logging.disable_progress_bar()
PADDED_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")  # start at padding_idx + 1


@dataclass(frozen=True)
class Encoded:
    """An encoded text or pair of texts; tensors are [1, tokens]."""

    text: str
    text_pair: str | None
    input_ids: torch.Tensor
    token_type_ids: torch.Tensor  # zeros if the model has no types
    attention_mask: torch.Tensor
    special: list[bool]  # added by the template
    segments: list[int | None]  # index of a token's text; None for special tokens
    tokens: list[str]
    offsets: list[list[int]]
    encoding: object  # of the tokenizers library, for the words
    against: torch.Tensor | None = None  # the embedding of the other text, for similarities

    @property
    def model_args(self) -> tuple[torch.Tensor, ...]:
        """The arguments of `Reference.forward`."""
        return self.input_ids, self.token_type_ids, self.attention_mask

    def with_ids(self, input_ids: torch.Tensor) -> Encoded:
        """The same sequence with other token ids: a baseline."""
        return replace(self, input_ids=input_ids)

    def fields(self, suffix: str = "") -> dict:
        """The fields of the sequence in golden.json."""
        return {
            f"input_ids{suffix}": self.input_ids[0].tolist(),
            f"token_type_ids{suffix}": self.token_type_ids[0].tolist(),
            f"special{suffix}": [int(flag) for flag in self.special],
            f"segments{suffix}": self.segments,
            f"tokens{suffix}": self.tokens,
            f"offsets{suffix}": self.offsets,
        }


def whole_characters(tokenizer, texts: tuple, offsets, sequence_ids) -> list[list[int]]:
    """Offsets of tokens that cover all code points of composed characters.

    The tokenizers library keeps only the first code point of a composed character. Here, a token's
    end is extended to the next position at which the text can be split without changing its
    normalization, but not into another token.
    """
    normalizer = str(tokenizer.backend_tokenizer.normalizer)
    forms = [form for form in ("NFKC", "NFC") if f"{form}()" in normalizer]
    offsets = [list(pair) for pair in offsets]
    if not forms:
        return offsets

    def composed(text: str) -> str:
        return unicodedata.normalize(forms[0], text)

    for number, text in enumerate(texts):
        if text is None:
            continue
        cuts = [
            cut
            for cut in range(len(text) + 1)
            if composed(text[:cut]) + composed(text[cut:]) == composed(text)
        ]
        own = [pair for pair, of in zip(offsets, sequence_ids, strict=True) if of == number]
        for pair in own:
            following = [start for start, _ in own if start >= pair[1]]
            pair[1] = min([next(cut for cut in cuts if cut >= pair[1]), *following])
    return offsets


class Reference:
    """A model in the Hugging Face layout, in `dtype`, with eager attention."""

    def __init__(self, folder: str | Path, dtype: torch.dtype = torch.float64):
        self.tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True)
        self.task = task_of(Path(folder))
        if adapters.is_adapter(Path(folder)):
            model = adapters.merged(Path(folder), self.task.auto)
        else:
            model = self.task.auto.from_pretrained(folder, attn_implementation="eager")
        self.model = model.to(dtype).eval().requires_grad_(False)
        self.layers = {
            "word_embeddings": model.get_input_embeddings(),
            "embeddings": model.base_model.embeddings,
        }
        self.takes_types = (
            "token_type_ids" in inspect.signature(model.forward).parameters
            and "token_type_ids" in self.tokenizer.model_input_names
            and model.config.type_vocab_size > 1
        )

    @property
    def max_tokens(self) -> int:
        """The model's maximum number of tokens, including special tokens."""
        config = self.model.config
        unused = 2 if config.model_type in PADDED_POSITIONS else 0
        return min(self.tokenizer.model_max_length, config.max_position_embeddings - unused)

    def encode(self, text: str, text_pair: str | None = None) -> Encoded:
        """Tokenize without truncation. Offsets are code points of the token's own segment."""
        encoding = self.tokenizer(
            text,
            text_pair,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_token_type_ids=True,
            truncation=False,
            verbose=False,
        )
        input_ids = torch.tensor([encoding["input_ids"]])
        types = torch.tensor([encoding["token_type_ids"]])
        return Encoded(
            text=text,
            text_pair=text_pair,
            input_ids=input_ids,
            token_type_ids=types if self.takes_types else torch.zeros_like(types),
            attention_mask=torch.ones_like(input_ids),
            special=[bool(flag) for flag in encoding["special_tokens_mask"]],
            segments=encoding.sequence_ids(),
            tokens=self.tokenizer.convert_ids_to_tokens(encoding["input_ids"]),
            offsets=whole_characters(
                self.tokenizer,
                (text, text_pair),
                encoding.encodings[0].offsets,
                encoding.encodings[0].sequence_ids,
            ),
            encoding=encoding.encodings[0],
        )

    def forward(self, input_ids, token_type_ids, attention_mask, **more):
        """The model's output. The model derives positions from `input_ids`."""
        if self.takes_types:
            more["token_type_ids"] = token_type_ids
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **more)

    def predict(self, encoded: Encoded) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The task's tensors by name, and the attentions [layer, head, query, key]."""
        with torch.no_grad():
            answer = self.forward(*encoded.model_args, output_attentions=True)
        return self.task.tensors(self, encoded, answer), torch.cat(answer.attentions)

    def scalar(self, encoded: Encoded, output: str, target: dict):
        """A function from the model's arguments to the explained scalar, [rows].

        `output` is "logit" or "probability"; targets depend on the task.
        """
        choose = self.task.chooser(self, encoded, output, target)
        return lambda *model_args: choose(self.forward(*model_args))

    # Access to layers for methods.

    def from_layer(self, layer: str, function):
        """`function` with the output of `layer` replaced by its first argument.

        Everything else, including positions, depends on the following arguments.
        """

        def replaced(hidden, *model_args):
            rows = hidden.shape[0]
            handle = self.layers[layer].register_forward_hook(lambda *_: hidden)
            try:
                return function(*(argument.expand(rows, -1) for argument in model_args))
            finally:
                handle.remove()

        return replaced

    def activation(self, layer: str, encoded: Encoded) -> torch.Tensor:
        """The output of `layer`, [1, tokens, size]."""
        outputs = []
        handle = self.layers[layer].register_forward_hook(lambda *call: outputs.append(call[2]))
        try:
            with torch.no_grad():
                self.forward(*encoded.model_args)
        finally:
            handle.remove()
        return outputs[0]

    def replaced_ids(self, encoded: Encoded, baseline: str) -> torch.Tensor:
        """The token ids of a baseline of tokens, [1, tokens]."""
        fill, keep_special = {
            "pad": (self.tokenizer.pad_token_id, True),
            "pad_all": (self.tokenizer.pad_token_id, False),
            "mask": (self.tokenizer.mask_token_id, True),
            "zero_ids": (0, False),
        }[baseline]
        ids = torch.full_like(encoded.input_ids, fill)
        if keep_special:
            ids = torch.where(torch.tensor([encoded.special]), encoded.input_ids, ids)
        return ids

    def explain(
        self, encoded: Encoded, method: str, options: dict, output: str, target: dict
    ) -> dict:
        """One explanation: the request, a score per token, and further values of the method."""
        function = self.scalar(encoded, output, target)
        answer = METHODS[method](self, encoded, function, **options)
        return {
            "method": method,
            "options": options,
            "output": output,
            "target": target,
            **answer,
        }
