"""The one optimisation loop: every stage (teacher, masked words, student) is this loop
with another loss. Warm-up, cosine decay, gradient clipping and an average of weights."""

import math
from collections.abc import Callable

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .batches import Batches
from .common import log

Loss = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def _decay_groups(model: torch.nn.Module, lr: float, weight_decay: float) -> list[dict]:
    """Weight decay for matrices only: biases and layer norms must stay free."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [
        {"params": matrices, "lr": lr, "weight_decay": weight_decay},
        {"params": vectors, "lr": lr, "weight_decay": 0.0},
    ]


def fit(
    model: torch.nn.Module,
    batches: Batches,
    loss_of: Loss,
    *,
    epochs: int,
    lr: float,
    name: str,
    groups: list[dict] | None = None,
    warmup: float = 0.06,
    weight_decay: float = 0.01,
    ema: float = 0.0,
    bf16: bool = True,
    passes: int | None = None,
    after_epoch: Callable[[torch.nn.Module, int], None] | None = None,
) -> torch.nn.Module:
    """Train `model` and return it, or its exponential average where `ema` is set.

    The average is what is exported: it is smoother than the last step, which helps
    accuracy on a small set and keeps the gradients that explanations use calm. `passes`
    stops before the schedule of `epochs` has come down, where another stage follows."""
    groups = groups or _decay_groups(model, lr, weight_decay)
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    total = epochs * len(batches) + 8
    rise = max(1, int(total * warmup))

    def scale(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / (total - rise))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, scale)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None
    step = 0
    for epoch in range(epochs if passes is None else passes):
        model.train()
        seen = running = 0.0
        for ids, mask, index in batches.epoch(epoch):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                loss = loss_of(model, ids, mask, index)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            step += 1
            if average is not None and step % 4 == 0:
                average.update_parameters(model)
            running += loss.item() * len(index)
            seen += len(index)
        log(f"{name}: epoch {epoch + 1}/{epochs}, loss {running / seen:.4f}")
        if after_epoch:
            after_epoch(average.module if average is not None else model, epoch + 1)
    return average.module if average is not None else model
