"""English: teachers fine-tuned on the treebank, distilled into a small student, then refined."""

import random
from collections import Counter
from pathlib import Path

import torch

from . import student, teacher, templates_en, texts_en, tokenizer
from .batches import Batches, encode, reporter
from .common import SEED, log
from .loop import fit
from .refine_en import refine
from .texts_en import load

SHAPE = student.Shape(layers=4, hidden=160, heads=5, inner=400, positions=128)
MAX_LENGTH, LIMIT, VOCABULARY = 128, 6_000_000, 11_000
LAYERS = [0, 2, 3, 5]  # teacher layers the student's layers begin as
TEACHER_SEEDS, TEACHER_EPOCHS, TEACHER_RATE = (1, 2), 3, 1e-4
EPOCHS, RATE = 5, 6e-4
GOLD = 1.6  # logit given to a gold label, about what a smoothed teacher gives


def one_teacher(seed: int, texts: dict, work: Path) -> teacher.Teacher:
    """A fine-tuned teacher, trained once and kept in `work`."""
    path = work / f"teacher-en-{seed}.pt"
    if not path.exists():
        rows = texts_en.gold_rows(texts, SEED + seed, 2_500)
        model = teacher.train(rows, texts["dev"], seed, epochs=TEACHER_EPOCHS, lr=TEACHER_RATE)
        torch.save(model.state_dict(), path)
    model = teacher.Teacher()
    model.load_state_dict(torch.load(path))
    return model


def make_tokenizer(texts: dict):
    """A subset of the teacher's own pieces, so that rows of its embedding can be kept."""
    backend = teacher.load_tokenizer().backend_tokenizer
    order = [piece for piece, _ in sorted(backend.get_vocab().items(), key=lambda item: item[1])]
    counts: Counter[str] = Counter()
    train = [row.text for row in texts["train"]]
    for text in backend.encode_batch(train * 4 + texts["loose"], add_special_tokens=False):
        counts.update(text.tokens)
    plain = [row.text for row in templates_en.rows(20_000, SEED)]
    everyday = {t for text in backend.encode_batch(plain, add_special_tokens=False) for t in text.tokens}
    return tokenizer.build(tokenizer.subset(counts, everyday | set(texts_en.lexicon()), order, VOCABULARY))


def opinion(seed: int, everything: list[str], texts: dict, work: Path) -> torch.Tensor:
    """One teacher's logits for the student's texts, kept in `work`."""
    path = work / f"logits-en-{seed}.pt"
    if not path.exists():
        model = one_teacher(seed, texts, work)
        log(f"teacher {seed} labels {len(everything)} texts")
        torch.save(teacher.label(model, teacher.load_tokenizer(), everything), path)
    return torch.load(path)


def targets(texts: dict, work: Path) -> tuple[list[str], torch.Tensor, int]:
    """Texts, the logits the student should give, and how many of them are gold rows."""
    everything, gold = texts_en.all_texts(texts)
    logits = torch.stack([opinion(seed, everything, texts, work) for seed in TEACHER_SEEDS]).mean(0)
    signs = torch.tensor([[-GOLD, GOLD] if row.label else [GOLD, -GOLD] for row in gold])
    logits[: len(gold)] = (logits[: len(gold)] + signs) / 2
    return everything, logits, len(gold)


def build(data: Path, tests: Path, work: Path, save):
    """Train the student; `save` keeps it after every epoch. Returns it with its tokenizer."""
    texts = load(data, tests)
    everything, logits, gold = targets(texts, work)
    backend = make_tokenizer(texts)
    own = tokenizer.wrap(backend, MAX_LENGTH)
    ids = encode(own, everything, MAX_LENGTH)
    first = one_teacher(TEACHER_SEEDS[0], texts, work)
    torch.manual_seed(SEED)  # the same start whether or not the teachers were kept
    model = student.create(SHAPE, backend.get_vocab_size(), dropout=0.05)
    basis = _start(model, first, backend, everything)
    _imitate(model, basis, first, backend, ids, logits, gold)
    empty = student.empty_rows(40)
    ids, logits = ids + empty, torch.cat([logits, torch.zeros(len(empty), 2)])

    def loss_of(model, batch, mask, index):
        return student.logit_loss(model(input_ids=batch, attention_mask=mask).logits, logits[index])

    model = fit(
        model,
        Batches(ids, tokens=2048, rows=192, seed=SEED),
        loss_of,
        epochs=EPOCHS,
        lr=RATE,
        name="student",
        ema=0.995,
        bf16=False,
        after_epoch=reporter(texts, own, MAX_LENGTH, lambda model: save(model, backend)),
    )
    return refine(model, backend, texts, save)


def _piece_ids(backend) -> list[int]:
    theirs = teacher.load_tokenizer().get_vocab()
    return [theirs[p] for p, _ in sorted(backend.get_vocab().items(), key=lambda item: item[1])]


def _start(model, first: teacher.Teacher, backend, texts: list[str]) -> torch.Tensor:
    """Begin the student as a projection of the first teacher; returns the directions kept."""
    sample = random.Random(SEED).sample(texts, 3000)
    own = teacher.load_tokenizer()
    states = []
    with torch.inference_mode():
        for ids, mask, _ in Batches(encode(own, sample, 64), 4096).epoch(0):
            hidden = first.encoder(ids, attention_mask=mask, output_hidden_states=True).hidden_states
            states += [layer[mask.bool()] for layer in hidden]
    basis = student.main_directions(torch.cat(states).clone(), SHAPE.hidden)
    student.start_from(model, first, _piece_ids(backend), basis, LAYERS)
    return basis


def _imitate(model, basis, first, backend, ids, logits, gold) -> None:
    """First stage: follow the first teacher's last layer token by token on whole sentences.

    The student's pieces are the teacher's, so both can read exactly the same tokens."""
    names = torch.tensor(_piece_ids(backend))
    chosen = ids[: gold + 20_000]
    first.eval()

    def loss_of(wrapped, batch, mask, index):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            wanted = first(names[batch], mask).hidden
        hidden, guess = wrapped(batch, mask)
        gap = ((hidden - wanted).float() ** 2).mean(-1)
        spread = (wanted.float() ** 2).mean()
        near = (gap * mask).sum() / mask.sum() / spread
        return near + 0.3 * student.logit_loss(guess, logits[index])

    batches = Batches(chosen, tokens=2048, rows=192, seed=SEED)
    fit(student.Imitator(model, basis), batches, loss_of, epochs=3, lr=1e-3, name="imitation", bf16=False)
