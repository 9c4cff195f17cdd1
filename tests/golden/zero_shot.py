"""Zero-shot classification: pairs of a text and the hypothesis of each candidate.

Probabilities are those of transformers' pipeline. The explained scalar is a function of the text's
word embeddings, which all pairs share; the hypotheses are constant.
"""

from __future__ import annotations

import numpy as np
import torch
from transformers import ZeroShotClassificationPipeline

TEMPLATE = "This text is about {}."


class Joint:
    """A text and its candidates."""

    def __init__(
        self,
        reference,
        text: str,
        candidate_labels: list[str],
        hypothesis_template: str = TEMPLATE,
        multi_label: bool = False,
    ):
        self.reference, self.text, self.labels = reference, text, candidate_labels
        self.template, self.multi_label = hypothesis_template, multi_label
        self.pairs = [
            reference.encode(text, hypothesis_template.format(label)) for label in candidate_labels
        ]
        self.shared = self.pairs[0].segments.index(1)
        label2id = reference.model.config.label2id
        self.entailment = next(
            index for label, index in label2id.items() if label.lower().startswith("entail")
        )
        self.contradiction = -1 if self.entailment == 0 else 0

    @property
    def embeddings(self) -> torch.Tensor:
        """The text's word embeddings, including special tokens, [tokens, hidden]."""
        return self.reference.activation("word_embeddings", self.pairs[0])[0, : self.shared]

    def outcome(self, embeddings: torch.Tensor) -> dict[str, torch.Tensor]:
        """A logit and a probability per candidate."""
        forward = self.reference.from_layer(
            "word_embeddings", lambda *model_args: self.reference.forward(*model_args).logits
        )
        logits = []
        for pair in self.pairs:
            own = self.reference.activation("word_embeddings", pair)
            words = torch.cat([embeddings[None], own[:, self.shared :]], dim=1)
            logits.append(forward(words, *pair.model_args)[0])
        logits = torch.stack(logits)
        entailment = logits[:, self.entailment]
        if self.multi_label or len(self.labels) == 1:
            against = logits[:, [self.contradiction, self.entailment]]
            probabilities = against.softmax(-1)[:, 1]
        else:
            probabilities = entailment.softmax(-1)
        return {"logit": entailment, "probability": probabilities}

    def scalar(self, output: str, target: dict):
        """The explained scalar as a function of the text's embeddings."""

        def choose(embeddings):
            values = self.outcome(embeddings)[output]
            if "contrast" in target:
                first, second = (self.labels.index(label) for label in target["contrast"])
                return values[first] - values[second]
            return values[self.labels.index(target["label"])]

        return choose

    def shown(self, target: dict):
        """The pair whose tokens are in the response."""
        label = target["contrast"][0] if "contrast" in target else target["label"]
        return self.pairs[self.labels.index(label)]

    def predictions(self) -> dict:
        """The predictions of all candidates, after a comparison with the pipeline."""
        with torch.no_grad():
            outcome = self.outcome(self.embeddings)
        pipeline = ZeroShotClassificationPipeline(
            model=self.reference.model, tokenizer=self.reference.tokenizer, device="cpu"
        )
        theirs = pipeline(
            self.text,
            candidate_labels=self.labels,
            hypothesis_template=self.template,
            multi_label=self.multi_label,
        )
        scores = dict(zip(theirs["labels"], theirs["scores"], strict=True))
        ours = dict(zip(self.labels, outcome["probability"].tolist(), strict=True))
        # The pipeline rounds logits to float32.
        assert all(abs(scores[label] - ours[label]) < 1e-6 for label in self.labels), (scores, ours)
        return {
            "labels": theirs["labels"],
            "probabilities": [ours[label] for label in theirs["labels"]],
            "logits": [
                outcome["logit"][self.labels.index(label)].item() for label in theirs["labels"]
            ],
        }

    # Methods; each returns a score per token of the text.

    def gradient(self, function, embeddings):
        """[tokens, hidden]"""
        embeddings = embeddings.detach().requires_grad_()
        return torch.autograd.grad(function(embeddings), embeddings)[0]

    def replaced(self, piece: int) -> torch.Tensor:
        """The embeddings with all tokens replaced, except special ones."""
        words = self.reference.layers["word_embeddings"].weight[piece]
        special = torch.tensor(self.pairs[0].special[: self.shared])
        return torch.where(special[:, None], self.embeddings, words)

    def saliency(self, function, norm):
        gradient = self.gradient(function, self.embeddings)
        return {"l1": gradient.abs().sum(-1), "l2": gradient.norm(dim=-1)}[norm]

    def input_x_gradient(self, function):
        return (self.gradient(function, self.embeddings) * self.embeddings).sum(-1)

    def integrated_gradients(self, function, baseline, n_steps):
        end = self.embeddings
        start = self.replaced(self.reference.tokenizer.pad_token_id)
        if baseline == "zero":
            start = torch.zeros_like(end)
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)
        total = sum(
            weight / 2 * self.gradient(function, start + (1 + node) / 2 * (end - start))
            for node, weight in zip(nodes, weights, strict=True)
        )
        return (total * (end - start)).sum(-1)

    def occlusion(self, function, unit, replacement):
        assert (unit, replacement) == ("token", "mask")
        mask = self.replaced(self.reference.tokenizer.mask_token_id)
        with torch.no_grad():
            output = function(self.embeddings)
            scores = []
            for token in range(self.shared):
                without = self.embeddings.clone()
                without[token] = mask[token]
                scores.append(output - function(without))
        return torch.stack(scores)

    def explain(self, method: dict, output: str, target: dict) -> list[float]:
        """A score per token of the shown pair; 0 for the hypothesis."""
        options = {name: value for name, value in method.items() if name != "name"}
        function = self.scalar(output, target)
        scores = getattr(self, method["name"])(function, **options).tolist()
        return scores + [0.0] * (len(self.shown(target).tokens) - self.shared)

    def value(self, output: str, target: dict) -> float:
        with torch.no_grad():
            return self.scalar(output, target)(self.embeddings).item()
