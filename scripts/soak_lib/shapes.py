"""Generators of the kinds of valid requests, and their shares of the pool."""

from pathlib import Path

from . import texts
from .options import method, pick

# Models that are loaded and unloaded while requests use them.
GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
GUESTS = {
    "guest-en": "builtin:sentiment-en",
    "guest-tiny": str(GOLDEN / "bert-tiny"),
    "guest-tokens": str(GOLDEN / "roberta-tokens"),
    "guest-qa": str(GOLDEN / "bert-qa"),
    "guest-mlm": str(GOLDEN / "bert-mlm"),
    "guest-embed": str(GOLDEN / "mpnet-embed"),
}

MEASURES = ("comprehensiveness", "sufficiency", "loo_correlation", "infidelity", "complexity",
            "baseline_sensitivity", "random_reference", "agreement")
# Cheap methods: with an evaluation, they cost tens of rows and not thousands.
LEAN = ("saliency", "input_x_gradient", "attention_rollout", "attention_gradient",
        {"name": "integrated_gradients", "n_steps": 8})


def text(rng, model, clauses=None):
    clauses = clauses or rng.choice((1, 1, 2, 3, 5))
    return (texts.chinese if model == "sentiment-zh" else texts.english)(rng, clauses)


def name_of(method):
    return method if isinstance(method, str) else method["name"]


def methods(rng, model):
    # Duplicates are rejected.
    some = {name_of(one): one for one in (method(rng) for _ in range(rng.randint(1, 3)))}
    return {"inputs": text(rng, model), "methods": list(some.values()),
            **pick(rng, seed=(1, 2**53, 2**64 - 1), output=("logit", "probability"),
                   granularity=("token", "word", ["word", "sentence"]),
                   normalize=("none", "l1", "l2", "max"))}


def plain(rng, model):
    return {"inputs": text(rng, model)}


def measured(rng, model):
    return {"inputs": text(rng, model, 2), "methods": rng.sample(LEAN, 2),
            "evaluate": rng.choice(("all", rng.sample(MEASURES, 2), {"rule": "ferret"},
                                    {"unit": "token", "replacement": "mask"},
                                    {"measures": ["sufficiency"], "thresholds": [0.2, 1]}))}


def attention(rng, model):
    selection = rng.choice((
        True, {"kind": "norm", "layers": "all", "heads": "all"}, {"kind": "rollout"},
        {"kind": "gradient", "heads": [0, -1]}, {"patterns": True},
        {"layers": [0, -1], "heads": "mean"}, False))
    return {"inputs": text(rng, model, rng.choice((1, 3, 8))), "attention": selection,
            "methods": ["saliency"]}


def windows(rng, model):
    long = text(rng, model, 40)
    way = rng.choice(({"window": {"stride": rng.choice((0, 8, 32))}},
                      {"window": {"stride": 16, "combine": "max"}}, {"truncate": True}))
    return {"inputs": long, "methods": ["saliency", "attention_rollout"], "attention": False, **way}


def lists(rng, model):
    inputs = [text(rng, model) for _ in range(rng.choice((2, 5, 20)))]
    if rng.random() < 0.4:
        # An input with an error does not affect the others.
        inputs[-1] = rng.choice(("", "word " * 300))
    return {"inputs": inputs, "methods": [rng.choice(("saliency", "input_x_gradient"))],
            "attention": False}


def pairs(rng, model):
    return {"inputs": {"text": text(rng, model, 2), "text_pair": text(rng, model, 1),
                       "spans": [[0, 3], [5, 9]]},
            "methods": [method(rng), {"name": "occlusion", "unit": "span"},
                        {"name": "pair_interactions", "unit": rng.choice(("word", "sentence"))}]}


def targets(rng, model):
    return {"inputs": text(rng, model), "methods": [rng.choice(LEAN)],
            "target": rng.choice(("all", "predicted", {"label": "NEGATIVE"}, {"index": 1},
                                  {"contrast": [0, 1]}, {"contrast": ["POSITIVE", "NEGATIVE"]}))}


def hostile(rng, model):
    accept = rng.choice(("application/json", "text/html", "image/svg+xml"))
    return {"inputs": texts.hostile(rng), "methods": ["saliency"], "accept": accept}


def automatic(rng, model):
    return {"model": "auto", "inputs": text(rng, model)}


def predict(rng, model):
    inputs = rng.choice((text(rng, model), [text(rng, model) for _ in range(30)]))
    return {"path": "/predict", "inputs": inputs}


def estimate(rng, model):
    return {"path": "/estimate", **methods(rng, model)}


def compare(rng, model):
    return {"path": "/explain/compare", "inputs": text(rng, model, 1),
            "methods": rng.sample(LEAN, 3)}


def form(accept):
    def make(rng, model):
        attention = rng.choice((True, False, {"patterns": True}))
        return {"inputs": [text(rng, model), text(rng, model)], "accept": accept,
                "methods": [method(rng)], "attention": attention}
    return make


def progress(rng, model):
    return {"inputs": text(rng, model, 3), "accept": "application/x-ndjson", "attention": False,
            "methods": [{"name": "smooth_grad", "n_samples": 60}, "integrated_gradients"]}


def budget(rng, model):
    return {"inputs": text(rng, model), "methods": ["lime"], "attention": False,
            "budget_ms": rng.choice((300, 1000, 3000))}


def guest(rng, model):
    name = rng.choice(list(GUESTS))
    some = {"model": name, "methods": [rng.choice(("saliency", "integrated_gradients"))]}
    words = "This movie was very good, but the film was dull."
    if name in ("guest-qa", "guest-embed"):
        return {**some, "inputs": {"text": "What was good?", "text_pair": words}}
    return {**some, "inputs": words.replace("dull", "[MASK]") if name == "guest-mlm" else words}


def evidence(rng, model):
    path = rng.choice(("/examples", "/rules", "/rules", "/counterfactuals", "/probe"))
    fields = {
        "/examples": pick(rng, k=(1, 5, 50), similarity=("cosine", "gradient")),
        "/rules": rng.choice((pick(rng, precision=(0.9, 0.99)), {"kind": "tree"})),
        "/counterfactuals": pick(rng, n=(1, 5), to=("NEGATIVE", "POSITIVE")),
        "/probe": pick(rng, groups=(["gender"], ["age", "religion"]), pairs=([["film", "book"]],)),
    }[path]
    return {"path": path, "inputs": text(rng, model, 1), **fields, **pick(rng, seed=(1, 2**53))}


def heavy(rng, model):
    """Requests that take seconds and fill the queue."""
    way = rng.choice(("lime", "kernel_shap", "partition_shap", "compare"))
    if way == "compare":
        return {"path": "/explain/compare", "inputs": text(rng, model, 1)}
    return {"inputs": [text(rng, model, 3) for _ in range(3)], "attention": False,
            "methods": [{"name": way, "unit": "token", "max_evals": 500}]}


# Shares of the pool.
KINDS = {
    "plain": (8, plain),
    "methods": (24, methods),
    "measures": (8, measured),
    "attention": (8, attention),
    "windows": (5, windows),
    "lists": (6, lists),
    "pairs": (4, pairs),
    "targets": (5, targets),
    "hostile": (6, hostile),
    "auto": (2, automatic),
    "predict": (6, predict),
    "estimate": (3, estimate),
    "compare": (3, compare),
    "page": (3, form("text/html")),
    "picture": (3, form("image/svg+xml")),
    "tensors": (3, form("application/x-safetensors")),
    "lines": (3, form("application/x-ndjson")),
    "progress": (2, progress),
    "budget": (3, budget),
    "evidence": (6, evidence),
    "guest": (9, guest),
    "heavy": (6, heavy),
}
