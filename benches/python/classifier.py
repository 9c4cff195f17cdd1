"""A BERT classifier in PyTorch and Captum's integrated gradients of its predicted logit.

Shared by the worker and the server.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from captum.attr import LayerIntegratedGradients
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging


@dataclass(frozen=True)
class Explanation:
    """A prediction and the attributions of its logit to the tokens."""

    input_ids: list[int]
    logits: torch.Tensor
    label: int
    token_scores: list[float]
    delta: float


class Classifier:
    """Tokenizer and model of a folder."""

    def __init__(
        self,
        folder: Path,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        attention: str = "eager",  # which can return its weights
    ):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.device = device
        self.model = (
            AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=dtype, attn_implementation=attention
            )
            .eval()
            .to(device)
        )

    def encode(self, text: str | list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and attention mask with a row per text, truncated to the model's maximum length."""
        encoding = self.tokenizer(text, truncation=True, return_tensors="pt").to(self.device)
        return encoding["input_ids"], encoding["attention_mask"]

    def baseline(self, ids: torch.Tensor) -> torch.Tensor:
        """[PAD] in place of all tokens except [CLS] and [SEP] at the ends."""
        baseline = torch.full_like(ids, self.tokenizer.pad_token_id)
        baseline[:, [0, -1]] = ids[:, [0, -1]]
        return baseline

    def logits(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The forward function that Captum calls."""
        return self.model(input_ids=ids, attention_mask=mask).logits

    def explain(
        self, text: str, n_steps: int = 50, internal_batch_size: int | None = None
    ) -> Explanation:
        """Tokens, prediction, scores and convergence delta of one request."""
        ids, mask = self.encode(text)
        with torch.no_grad():
            logits = self.logits(ids, mask)[0]
        label = int(logits.argmax())
        scores, delta = self.attribute(
            ids, mask, label, n_steps, internal_batch_size, return_convergence_delta=True
        )
        token_scores = scores.sum(-1)[0].tolist()
        return Explanation(ids[0].tolist(), logits, label, token_scores, delta.item())

    def explain_all(self, texts: list[str], n_steps: int, internal_batch_size: int) -> list:
        """The scores of texts of the same number of tokens, in one call of Captum."""
        ids, mask = self.encode(texts)
        with torch.no_grad():
            labels = self.logits(ids, mask).argmax(-1)
        scores = self.attribute(ids, mask, labels, n_steps, internal_batch_size)
        return scores.sum(-1).tolist()

    def attribute(self, ids, mask, target, n_steps, internal_batch_size, **options):
        """What Captum returns for rows of the same number of tokens."""
        # A new object per call: Captum keeps the state of a call in it.
        method = LayerIntegratedGradients(self.logits, self.model.bert.embeddings.word_embeddings)
        return method.attribute(
            ids,
            baselines=self.baseline(ids),
            target=target,
            additional_forward_args=(mask,),
            n_steps=n_steps,
            method="gausslegendre",
            internal_batch_size=internal_batch_size,
            **options,
        )


def cores() -> int:
    """The number of cores that this process may run on."""
    return len(os.sched_getaffinity(0))
