"""The differences between tasks: model class, predictions, and scalars that can be explained.

A task has `auto`, the class that loads its models; `tensors`, the predictions for a text by name;
`chooser`, the explained scalar as a function of the model's output; `fields`, the fields in
golden.json besides explanations; and `targets`, some scalars to explain.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers

import adapters
import pipelines
from modules import Chain, kind_of


class Classification:
    """Sequence classification; next sentence prediction has two labels."""

    def __init__(self, auto):
        self.auto = auto

    def probabilities(self, config, logits: torch.Tensor) -> torch.Tensor:
        """The activation of transformers' text-classification pipeline, or that of a
        sentence-transformers cross-encoder."""
        own = getattr(config, "sbert_ce_default_activation_function", "").rsplit(".", 1)[-1]
        if own == "Identity" or (not own and config.problem_type == "regression"):
            return logits
        multi_label = config.problem_type == "multi_label_classification"
        if own == "Sigmoid" or multi_label or config.num_labels == 1:
            return logits.sigmoid()
        return logits.softmax(-1)

    def tensors(self, reference, encoded, answer) -> dict:
        """logits and probabilities, [labels]"""
        logits = self.logits(answer)
        return {
            "logits": logits[0],
            "probabilities": self.probabilities(reference.model.config, logits)[0],
        }

    def logits(self, answer) -> torch.Tensor:
        """[rows, labels]"""
        return answer.logits

    def chooser(self, reference, encoded, output: str, target: dict):
        """Targets are {"index": i}, or {"contrast": [a, b]} for the difference of two logits."""

        def choose(answer):
            logits = self.logits(answer)
            if "contrast" in target:
                a, b = target["contrast"]
                return logits[:, a] - logits[:, b]
            if output == "probability":
                logits = self.probabilities(reference.model.config, logits)
            return logits[:, target["index"]]

        return choose

    def fields(self, reference, encoded, tensors) -> dict:
        return {name: tensor.tolist() for name, tensor in tensors.items()}

    def targets(self, reference, encoded, tensors) -> list[dict]:
        """All labels, best first, and a difference."""
        order = tensors["logits"].argsort(descending=True).tolist()
        return [{"index": label} for label in order] + [{"contrast": order[:2]}]


class TokenClassification:
    """A label per token."""

    auto = transformers.AutoModelForTokenClassification

    def tensors(self, reference, encoded, answer) -> dict:
        """logits and probabilities, [tokens, labels]"""
        return {"logits": answer.logits[0], "probabilities": answer.logits[0].softmax(-1)}

    def chooser(self, reference, encoded, output: str, target: dict):
        """Targets are {"token": t, "index": i}."""

        def choose(answer):
            logits = answer.logits[:, target["token"]]
            values = logits.softmax(-1) if output == "probability" else logits
            return values[:, target["index"]]

        return choose

    def fields(self, reference, encoded, tensors) -> dict:
        return {
            **{name: tensor.tolist() for name, tensor in tensors.items()},
            "entities": pipelines.entities(reference, encoded.text),
        }

    def targets(self, reference, encoded, tensors) -> list[dict]:
        """The best labels of the first and last token, and the second best of one between them."""
        tokens = [token for token, special in enumerate(encoded.special) if not special]
        order = tensors["logits"].argsort(descending=True)
        return [
            {"token": token, "index": order[token, rank].item()}
            for token, rank in ((tokens[0], 0), (tokens[len(tokens) // 2], 1), (tokens[-1], 0))
        ]


class QuestionAnswering:
    """Start and end of an answer in the second text."""

    auto = transformers.AutoModelForQuestionAnswering

    def tensors(self, reference, encoded, answer) -> dict:
        """start and end, logits and probabilities, [tokens]"""
        candidates = pipelines.candidates(reference, encoded)
        start, end = answer.start_logits[0], answer.end_logits[0]
        return {
            "start_logits": start,
            "end_logits": end,
            "start_probabilities": pipelines.answer_softmax(start, candidates),
            "end_probabilities": pipelines.answer_softmax(end, candidates),
        }

    def chooser(self, reference, encoded, output: str, target: dict):
        """Targets are {"position": "start" or "end", "token": t}."""
        candidates = pipelines.candidates(reference, encoded)

        def choose(answer):
            logits = answer[f"{target['position']}_logits"]
            if output == "probability":
                logits = pipelines.answer_softmax(logits, candidates)
            return logits[:, target["token"]]

        return choose

    def fields(self, reference, encoded, tensors) -> dict:
        return {
            **{name: tensor.tolist() for name, tensor in tensors.items()},
            "answer": pipelines.answer(reference, encoded, tensors),
        }

    def targets(self, reference, encoded, tensors) -> list[dict]:
        """The two ends of the best span."""
        answer = pipelines.answer(reference, encoded, tensors)
        return [
            {"position": position, "token": answer[f"{position}_token"]}
            for position in ("start", "end")
        ]


class MaskedLM:
    """Predictions for masked tokens."""

    auto = transformers.AutoModelForMaskedLM

    def masks(self, reference, encoded) -> list[int]:
        """The indices of the mask tokens."""
        return (encoded.input_ids[0] == reference.tokenizer.mask_token_id).nonzero()[:, 0].tolist()

    def tensors(self, reference, encoded, answer) -> dict:
        """logits and probabilities, [masks, vocabulary]"""
        logits = answer.logits[0, self.masks(reference, encoded)]
        return {"logits": logits, "probabilities": logits.softmax(-1)}

    chooser = TokenClassification.chooser

    def fields(self, reference, encoded, tensors) -> dict:
        masks = self.masks(reference, encoded)
        rows = zip(masks, tensors["logits"], tensors["probabilities"], strict=True)
        return {
            "masks": [
                {
                    "token": token,
                    "logits": logits.tolist(),
                    "fill": pipelines.fill(reference, probabilities),
                }
                for token, logits, probabilities in rows
            ]
        }

    def targets(self, reference, encoded, tensors) -> list[dict]:
        """The best tokens of the first and the last mask, and the third best of the first."""
        masks = self.masks(reference, encoded)
        order = tensors["logits"].argsort(descending=True)
        return [
            {"token": masks[mask], "index": order[mask, rank].item()}
            for mask, rank in ((0, 0), (0, 2), (-1, 0))
        ]


class Reranker(Classification):
    """Scores by sentence-transformers' modules from the hidden states of a pair of texts."""

    def __init__(self, folder: Path):
        super().__init__(transformers.AutoModel)
        self.chain = Chain(folder)
        self.kinked = self.chain.kinked

    def logits(self, answer) -> torch.Tensor:
        """[rows, labels]"""
        return self.chain.features(answer.last_hidden_state)["scores"]

    def probabilities(self, config, logits: torch.Tensor) -> torch.Tensor:
        """Uses the library's activation."""
        return self.chain.model.activation_fn(logits)


class Encoder:
    """Sentence embeddings and the cosine of two texts."""

    auto = transformers.AutoModel

    def __init__(self, folder: Path):
        self.chain = Chain(folder)
        self.kinked = self.chain.kinked

    def pool(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, hidden], by sentence-transformers' modules."""
        return self.chain.features(hidden)["sentence_embedding"]

    def tensors(self, reference, encoded, answer) -> dict:
        """hidden [tokens, hidden] and embedding [hidden]"""
        hidden = answer.last_hidden_state
        return {"hidden": hidden[0], "embedding": self.pool(hidden)[0]}

    def chooser(self, reference, encoded, output: str, target: dict):
        """Targets are {"cosine": "text" or "text_pair"}, the text whose tokens are explained: the
        cosine of its embedding and the other text's, which is constant."""

        def choose(answer):
            pooled = self.pool(answer.last_hidden_state)
            return torch.cosine_similarity(pooled, encoded.against[None], dim=-1, eps=0.0)

        return choose

    def similarity(self, ours: dict, other: dict) -> dict:
        """The fields of two texts in golden.json."""
        u, v = ours["embedding"], other["embedding"]
        norms = u.norm() * v.norm()
        a, b = (self.chain.weighted(text["hidden"]) for text in (ours, other))
        matrix = a @ b.T / (a.sum(0).norm() * b.sum(0).norm())
        return {
            "embedding": u.tolist(),
            "embedding_normalized": (u / u.norm()).tolist(),
            "embedding_pair": v.tolist(),
            "embedding_pair_normalized": (v / v.norm()).tolist(),
            "cosine": (u @ v / norms).item(),
            "similarity_matrix": matrix.tolist() if self.chain.is_mean else None,
        }


def task_of(folder: Path):
    """The task by sentence-transformers' files, or by the first architecture in config.json."""
    if adapters.is_adapter(folder):
        return task_of(adapters.base_of(folder))
    kind = kind_of(folder)
    if kind == "SentenceTransformer":
        return Encoder(folder)
    if kind == "CrossEncoder":
        return Reranker(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    name = config["architectures"][0]
    for end, task in {
        "ForSequenceClassification": Classification(
            transformers.AutoModelForSequenceClassification
        ),
        "ForNextSentencePrediction": Classification(
            transformers.AutoModelForNextSentencePrediction
        ),
        "ForTokenClassification": TokenClassification(),
        "ForQuestionAnswering": QuestionAnswering(),
        "ForMaskedLM": MaskedLM(),
    }.items():
        if name.endswith(end):
            return task
    assert name.endswith("Model"), name
    return Encoder(folder)
