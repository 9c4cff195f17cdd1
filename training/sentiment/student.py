"""Small BERT classifiers: their shape, their start and the distillation losses."""

from dataclasses import dataclass

import torch
from transformers import BertConfig, BertForSequenceClassification

from .common import LABELS
from .tokenizer import SPECIAL


@dataclass(frozen=True)
class Shape:
    """Sizes of a student; the file is about two bytes a parameter."""

    layers: int
    hidden: int
    heads: int
    inner: int
    positions: int


def create(shape: Shape, vocabulary: int, dropout: float = 0.1) -> BertForSequenceClassification:
    """A classifier with random weights."""
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.inner,
            max_position_embeddings=shape.positions,
            type_vocab_size=2,
            hidden_act="gelu",
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=0.0,
            classifier_dropout=dropout,
            pad_token_id=0,
            id2label=LABELS,
            label2id={name: i for i, name in LABELS.items()},
        )
    )


@torch.no_grad()
def start_from(student, teacher, piece_ids: list[int], basis: torch.Tensor, layers: list[int]) -> None:
    """Start the student as a projection of the teacher's encoder.

    `piece_ids` are the teacher's ids of the student's pieces, `basis` (teacher width x
    student width) spans the main directions of the teacher's hidden states, and `layers`
    names the teacher layer each student layer begins as. Of each layer the strongest
    heads and inner neurons are kept."""
    ours, theirs = student.bert, teacher.encoder
    embeddings, source = ours.embeddings, theirs.embeddings
    embeddings.word_embeddings.weight.copy_(source.word_embeddings.weight[piece_ids] @ basis)
    n = embeddings.position_embeddings.num_embeddings
    embeddings.position_embeddings.weight.copy_(source.position_embeddings.weight[:n] @ basis)
    embeddings.token_type_embeddings.weight.copy_(source.token_type_embeddings.weight @ basis)
    _norm(embeddings.LayerNorm, source.LayerNorm, basis)
    for layer, number in zip(ours.encoder.layer, layers):
        _layer(layer, theirs.encoder.layer[number], basis, student.config)


def _norm(ours, theirs, basis: torch.Tensor) -> None:
    ours.weight.copy_((basis**2).T @ theirs.weight)
    ours.bias.copy_(theirs.bias @ basis)


def _layer(ours, theirs, basis: torch.Tensor, config) -> None:
    """Copy one layer: `basis` turns its inputs and outputs, a selection its insides."""
    size = config.hidden_size // config.num_attention_heads
    value, mix = theirs.attention.self.value, theirs.attention.output.dense
    heads = value.weight.shape[0] // size
    power = torch.stack(
        [
            (mix.weight[:, h * size : (h + 1) * size] @ value.weight[h * size : (h + 1) * size]).norm()
            for h in range(heads)
        ]
    )
    kept = power.topk(config.num_attention_heads).indices.sort().values
    rows = torch.cat([torch.arange(h * size, (h + 1) * size) for h in kept.tolist()])
    for name in ("query", "key", "value"):
        to, source = getattr(ours.attention.self, name), getattr(theirs.attention.self, name)
        to.weight.copy_(source.weight[rows] @ basis)
        to.bias.copy_(source.bias[rows])
    ours.attention.output.dense.weight.copy_(basis.T @ mix.weight[:, rows])
    ours.attention.output.dense.bias.copy_(mix.bias @ basis)
    _norm(ours.attention.output.LayerNorm, theirs.attention.output.LayerNorm, basis)
    inner, outer = theirs.intermediate.dense, theirs.output.dense
    strength = inner.weight.norm(dim=1) * outer.weight.norm(dim=0)
    neurons = strength.topk(config.intermediate_size).indices.sort().values
    ours.intermediate.dense.weight.copy_(inner.weight[neurons] @ basis)
    ours.intermediate.dense.bias.copy_(inner.bias[neurons])
    ours.output.dense.weight.copy_(basis.T @ outer.weight[:, neurons])
    ours.output.dense.bias.copy_(outer.bias @ basis)
    _norm(ours.output.LayerNorm, theirs.output.LayerNorm, basis)


def main_directions(states: torch.Tensor, width: int) -> torch.Tensor:
    """Orthonormal directions (rows of `states` are hidden vectors) that hold most of them."""
    states = states.float()
    second = states.T @ states / len(states)
    values, vectors = torch.linalg.eigh(second)
    return vectors[:, values.argsort(descending=True)[:width]].contiguous()


class Imitator(torch.nn.Module):
    """A student whose last layer is also compared, token by token, with a teacher's."""

    def __init__(self, student, basis: torch.Tensor):
        super().__init__()
        self.student = student
        self.lift = torch.nn.Linear(basis.shape[1], basis.shape[0])
        with torch.no_grad():
            self.lift.weight.copy_(basis)
            self.lift.bias.zero_()

    def forward(self, input_ids, attention_mask):
        outputs = self.student.bert(input_ids=input_ids, attention_mask=attention_mask)
        return self.lift(outputs.last_hidden_state), self.student.classifier(outputs.pooler_output)


def logit_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Distance of the logits themselves: it also teaches how sure the teachers are."""
    return torch.nn.functional.mse_loss(logits.float(), target)


def empty_rows(longest: int, each: int = 5) -> list[list[int]]:
    """Texts of [PAD] alone between [CLS] and [SEP]: the baseline of integrated gradients,
    which should speak for no label."""
    cls, sep, padding = (SPECIAL.index(name) for name in ("[CLS]", "[SEP]", "[PAD]"))
    return [[cls] + [padding] * n + [sep] for n in range(1, longest + 1)] * each
