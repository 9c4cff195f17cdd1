"""transformers and Captum as the reference: a model folder, explained in a chosen precision.

Shared by make.py, which writes golden values, and check_folder.py, which compares them with a
running service. One sequence at a time, without padding, so that every attention mask is ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from captum.attr import InputXGradient, IntegratedGradients, LayerIntegratedGradients, Saliency
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

logging.disable_progress_bar()

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


@dataclass(frozen=True)
class Encoded:
    """One text or pair of texts as the model sees it; tensors are [1, tokens]."""

    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    attention_mask: torch.Tensor
    special: list[bool]
    tokens: list[str]
    offsets: list[list[int]]

    @property
    def model_args(self) -> tuple[torch.Tensor, ...]:
        """What `Reference.logits` takes."""
        return self.input_ids, self.token_type_ids, self.attention_mask

    def with_ids(self, input_ids: torch.Tensor) -> Encoded:
        """The same sequence with other token ids: a baseline."""
        return replace(self, input_ids=input_ids)


class Reference:
    """A sequence classifier in the Hugging Face layout, in `dtype`, with eager attention."""

    def __init__(self, folder: str | Path, dtype: torch.dtype = torch.float64):
        self.tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation="eager"
        )
        self.model = model.to(dtype).eval().requires_grad_(False)
        self.layers = {
            "word_embeddings": model.get_input_embeddings(),
            "embeddings": model.base_model.embeddings,
        }

    @property
    def max_tokens(self) -> int:
        """The most tokens, special ones included, that the model takes."""
        return min(self.tokenizer.model_max_length, self.model.config.max_position_embeddings)

    def encode(self, text: str, text_pair: str | None = None) -> Encoded:
        """Tokenize without cutting. Offsets are code points of the token's own segment."""
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
        return Encoded(
            input_ids=input_ids,
            token_type_ids=torch.tensor([encoding["token_type_ids"]]),
            attention_mask=torch.ones_like(input_ids),
            special=[bool(flag) for flag in encoding["special_tokens_mask"]],
            tokens=self.tokenizer.convert_ids_to_tokens(encoding["input_ids"]),
            offsets=[list(pair) for pair in encoding["offset_mapping"]],
        )

    # What the model says.

    def logits(self, input_ids, token_type_ids, attention_mask) -> torch.Tensor:
        """[rows, labels]"""
        return self.model(
            input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask
        ).logits

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """The activation that transformers' text-classification pipeline applies."""
        config = self.model.config
        if config.problem_type == "regression":
            return logits
        if config.problem_type == "multi_label_classification" or config.num_labels == 1:
            return logits.sigmoid()
        return logits.softmax(-1)

    def predict(self, encoded: Encoded) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits [labels], probabilities [labels], attentions [layer, head, query, key]."""
        input_ids, token_type_ids, attention_mask = encoded.model_args
        with torch.no_grad():
            answer = self.model(
                input_ids=input_ids,
                token_type_ids=token_type_ids,
                attention_mask=attention_mask,
                output_attentions=True,
            )
        logits = answer.logits[0]
        return logits, self.probabilities(logits), torch.cat(answer.attentions)

    # The scalar explained.

    def scalar(self, output: str, target: dict):
        """A function of the model's arguments that gives the scalar explained, [rows].

        `output` is "logit" or "probability"; `target` {"index": i} or {"contrast": [a, b]}, the
        difference of two logits.
        """

        def explained(*model_args):
            logits = self.logits(*model_args)
            if "contrast" in target:
                a, b = target["contrast"]
                return logits[:, a] - logits[:, b]
            values = self.probabilities(logits) if output == "probability" else logits
            return values[:, target["index"]]

        return explained

    def from_layer(self, layer: str, function):
        """`function` with the output of `layer` replaced by its first argument."""

        def replaced(hidden, *model_args):
            handle = self.layers[layer].register_forward_hook(lambda *_: hidden)
            try:
                return function(*model_args)
            finally:
                handle.remove()

        return replaced

    def activation(self, layer: str, encoded: Encoded) -> torch.Tensor:
        """The output of `layer`, [1, tokens, hidden]."""
        seen = []
        handle = self.layers[layer].register_forward_hook(lambda *call: seen.append(call[2]))
        try:
            with torch.no_grad():
                self.logits(*encoded.model_args)
        finally:
            handle.remove()
        return seen[0]

    # The explanations.

    def explain(
        self, encoded: Encoded, method: str, options: dict, output: str, target: dict
    ) -> dict:
        """One explanation: what was asked, a score per token, and what its method adds."""
        function = self.scalar(output, target)
        answer = METHODS[method](self, encoded, function, **options)
        return {
            "method": method,
            "options": options,
            "output": output,
            "target": target,
            **answer,
        }

    def saliency(self, encoded: Encoded, function, norm: str) -> dict:
        """Simonyan et al. 2013: the norm of each word embedding's gradient."""
        gradient = Saliency(self.from_layer("word_embeddings", function)).attribute(
            self.activation("word_embeddings", encoded).requires_grad_(),
            abs=True,
            additional_forward_args=encoded.model_args,
        )
        return {"token": NORMS[norm](gradient)[0].tolist()}

    def input_x_gradient(self, encoded: Encoded, function) -> dict:
        """Shrikumar et al. 2016: word embedding times its gradient, summed over hidden."""
        attribution = InputXGradient(self.from_layer("word_embeddings", function)).attribute(
            self.activation("word_embeddings", encoded).requires_grad_(),
            additional_forward_args=encoded.model_args,
        )
        return {"token": attribution.sum(-1)[0].detach().tolist()}

    def baseline_ids(self, encoded: Encoded, baseline: str) -> torch.Tensor:
        """The token ids of a baseline that has some, [1, tokens]."""
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

    def integrated_gradients(
        self, encoded: Encoded, function, layer: str, baseline: str, quadrature: str, n_steps: int
    ) -> dict:
        """Sundararajan et al. 2017, at `layer`, from token ids or from the zero vector."""
        how = {"n_steps": n_steps, "method": quadrature, "return_convergence_delta": True}
        input_ids, *rest = encoded.model_args
        if baseline == "zero":
            replaced = self.from_layer(layer, function)
            hidden = self.activation(layer, encoded)
            zeros = torch.zeros_like(hidden)
            attribution, delta = IntegratedGradients(replaced).attribute(
                hidden, zeros, additional_forward_args=encoded.model_args, **how
            )
            baseline_value = replaced(zeros, *encoded.model_args)
        else:
            ids = self.baseline_ids(encoded, baseline)
            attribution, delta = LayerIntegratedGradients(function, self.layers[layer]).attribute(
                input_ids, ids, additional_forward_args=tuple(rest), **how
            )
            baseline_value = function(ids, *rest)
        return {
            "token": attribution.sum(-1)[0].detach().tolist(),
            "output_value": function(*encoded.model_args).item(),
            "baseline_value": baseline_value.item(),
            "convergence_delta": delta.item(),
        }


METHODS = {
    "saliency": Reference.saliency,
    "input_x_gradient": Reference.input_x_gradient,
    "integrated_gradients": Reference.integrated_gradients,
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
