"""Masked-word pre-training: where no pre-trained encoder is at hand, the reviews
themselves first teach the student what their characters mean."""

import torch

from .batches import Batches
from .loop import fit
from .tokenizer import SPECIAL

MASK = SPECIAL.index("[MASK]")


class MaskedHead(torch.nn.Module):
    """The encoder of a classifier with a word-prediction head tied to its embeddings."""

    def __init__(self, student):
        super().__init__()
        size = student.config.hidden_size
        self.bert = student.bert
        self.change = torch.nn.Sequential(
            torch.nn.Linear(size, size), torch.nn.GELU(), torch.nn.LayerNorm(size)
        )
        self.bias = torch.nn.Parameter(torch.zeros(student.config.vocab_size))

    def forward(self, ids, mask, chosen):
        """Logits over the vocabulary at the `chosen` positions only."""
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state[chosen]
        return self.change(hidden) @ self.bert.embeddings.word_embeddings.weight.T + self.bias


def hide(ids: torch.Tensor, mask: torch.Tensor, vocabulary: int, share: float):
    """BERT's masking: of the chosen tokens 80 % become [MASK], 10 % a random token.

    Half of the choices also take the next token, so that two-character words vanish whole."""
    free = (mask == 1) & (ids >= len(SPECIAL))
    chosen = torch.rand(ids.shape) < share / 1.5
    also = torch.zeros_like(chosen)
    also[:, 1:] = chosen[:, :-1] & (torch.rand(ids[:, 1:].shape) < 0.5)
    chosen = (chosen | also) & free
    fate = torch.rand(ids.shape)
    hidden = torch.where(chosen & (fate < 0.8), MASK, ids)
    random = torch.randint(len(SPECIAL), vocabulary, ids.shape)
    return torch.where(chosen & (fate > 0.9), random, hidden), chosen


def pretrain(student, ids: list[list[int]], *, epochs: int, lr: float, seed: int) -> None:
    """Train the student's encoder (in place) to fill in hidden characters."""
    vocabulary = student.config.vocab_size

    def loss_of(model, batch, mask, _):
        hidden, chosen = hide(batch, mask, vocabulary, 0.2)
        logits = model(hidden, mask, chosen).float()
        return torch.nn.functional.cross_entropy(logits, batch[chosen])

    fit(
        MaskedHead(student),
        Batches(ids, tokens=3072, rows=192, seed=seed),
        loss_of,
        epochs=epochs,
        lr=lr,
        name="masked words",
        bf16=False,
    )
