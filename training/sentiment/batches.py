"""Batches of about equal length: little padding is most of the speed on a CPU."""

import random
from collections.abc import Iterator

import torch

from .common import log


def encode(tokenizer, texts: list[str], max_length: int) -> list[list[int]]:
    """Token ids of each text with its special tokens, cut at `max_length`."""
    ids = []
    for encoding in tokenizer.backend_tokenizer.encode_batch(texts):
        row = encoding.ids
        ids.append(row if len(row) <= max_length else row[: max_length - 1] + row[-1:])
    return ids


def pad(rows: list[list[int]], pad_id: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack rows into an id matrix and its attention mask (built from lengths, not ids)."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


class Batches:
    """Shuffled, length-bucketed batches of at most `tokens` padded tokens each."""

    def __init__(self, ids: list[list[int]], tokens: int, rows: int = 512, seed: int = 0):
        self.ids, self.tokens, self.rows, self.seed = ids, tokens, rows, seed

    def _groups(self, rng: random.Random) -> list[list[int]]:
        """Split the rows, sorted by length with a little noise, into batches."""
        order = sorted(range(len(self.ids)), key=lambda i: len(self.ids[i]) + rng.random() * 2)
        groups, group, width = [], [], 0
        for i in order:
            width = max(width, len(self.ids[i]))
            if group and ((len(group) + 1) * width > self.tokens or len(group) >= self.rows):
                groups.append(group)
                group, width = [], len(self.ids[i])
            group.append(i)
        groups.append(group)
        rng.shuffle(groups)
        return groups

    def __len__(self) -> int:
        return len(self._groups(random.Random(self.seed)))

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """One pass over the rows: (ids, mask, row numbers) of each batch."""
        for group in self._groups(random.Random(self.seed + 7919 * number)):
            ids, mask = pad([self.ids[i] for i in group])
            yield ids, mask, torch.tensor(group)


@torch.inference_mode()
def predict(model, ids: list[list[int]], tokens: int = 8192) -> torch.Tensor:
    """Logits of every row, in the rows' order (float32)."""
    model.eval()
    out = [None] * len(ids)
    for batch, mask, index in Batches(ids, tokens).epoch(0):
        result = model(input_ids=batch, attention_mask=mask).logits.float()
        for row, i in zip(result, index.tolist()):
            out[i] = row
    return torch.stack(out)


def accuracy(model, ids: list[list[int]], labels: list[int]) -> float:
    """Share of rows whose larger logit is the gold label."""
    guesses = predict(model, ids).argmax(-1)
    return (guesses == torch.tensor(labels)).float().mean().item()


def reporter(texts: dict, tokenizer, max_length: int, save):
    """A function for the end of an epoch: judge the test rows, then `save` the model."""
    sets = {
        name: (
            encode(tokenizer, [row.text for row in texts[name]], max_length),
            [r.label for r in texts[name]],
        )
        for name in ("dev", "plain", "distance")
        if name in texts
    }

    def report(model, epoch: int) -> None:
        shares = [f"{name} {accuracy(model, ids, gold):.4f}" for name, (ids, gold) in sets.items()]
        log(f"student after {epoch}: {', '.join(shares)}")
        save(model)

    return report
