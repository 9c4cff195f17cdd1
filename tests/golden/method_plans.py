"""Requests of methods.json, and their methods."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from methods import integrated_gradients

Methods = list[tuple[str, dict]]
UNITS = ("token", "word")
REPLACEMENTS = ("mask", "pad", "remove")
WAYS = [{"unit": unit, "replacement": how} for unit, how in product(UNITS, REPLACEMENTS)]


@dataclass(frozen=True)
class Spec:
    """One request: text, methods, target and other fields."""

    text: str
    methods: Methods
    target: dict
    text_pair: str | None = None
    output: str = "logit"
    seed: int = 7
    attention: dict | None = None
    evaluate: dict | None = None

    def request(self) -> dict:
        """The body of POST /explain."""
        body = {
            "inputs": self.text
            if self.text_pair is None
            else {"text": self.text, "text_pair": self.text_pair},
            "target": self.target,
            "output": self.output,
            "seed": self.seed,
            "methods": [{"name": name, **options} for name, options in self.methods],
            "granularity": ["token"],
            "attention": self.attention or False,
        }
        return body | ({"evaluate": self.evaluate} if self.evaluate else {})


def smooth_grad(n_samples: int, noise_level: float, norm: str) -> tuple[str, dict]:
    options = {"n_samples": n_samples, "noise_level": noise_level, "norm": norm}
    return "smooth_grad", options


def gradient_shap(n_samples: int, baseline: str, **more) -> tuple[str, dict]:
    return "gradient_shap", {"n_samples": n_samples, "baseline": baseline, **more}


def by_evaluations(name: str, *evaluations: int) -> Methods:
    """A perturbation method with a budget for each of WAYS; 0 omits it."""
    return [
        (name, {"max_evals": count, **way})
        for count, way in zip(evaluations, WAYS, strict=True)
        if count
    ]


OCCLUSIONS = [("occlusion", way) for way in WAYS]
SMOOTH = [smooth_grad(3, 0.1, "l2"), smooth_grad(5, 0.15, "l1"), smooth_grad(4, 0.2, "mean")]
PATHS = [
    gradient_shap(5, "pad"),
    gradient_shap(4, "mask", noise_level=0.1),
    gradient_shap(3, "pad", noise_level=0.2),
]
FROM_ZERO = [gradient_shap(6, "zero"), gradient_shap(4, "zero", noise_level=0.1)]
# For 9 words: kernel_shap with some and all coalitions; partition_shap with Owen and Shapley values.
WIDE = [
    *SMOOTH,
    *PATHS,
    *OCCLUSIONS,
    *by_evaluations("lime", 60, 40, 50, 30, 40, 50),
    *by_evaluations("kernel_shap", 80, 41, 30, 22, 50, 4000),
    *by_evaluations("partition_shap", 200, 300, 250, 512, 4000, 200),
]
# Some of each.
SMALL = [
    smooth_grad(4, 0.1, "l2"),
    gradient_shap(4, "pad", noise_level=0.1),
    ("occlusion", {"unit": "word", "replacement": "mask"}),
    *by_evaluations("lime", 0, 0, 0, 30, 0, 30),
    *by_evaluations("kernel_shap", 0, 0, 40, 30, 0, 0),
    *by_evaluations("partition_shap", 0, 0, 0, 0, 512, 0),
]
# For a text of up to 16 words.
LONG = [
    *by_evaluations("lime", 0, 0, 60, 0, 50, 0),
    *by_evaluations("kernel_shap", 150, 0, 0, 65, 60, 250),
    *by_evaluations("partition_shap", 0, 0, 400, 300, 0, 300),
]
GRADIENTS = [
    ("saliency", {"norm": "l2"}),
    ("input_x_gradient", {}),
    integrated_gradients("word_embeddings", n_steps=20),
]
ONE_UNIT = [*OCCLUSIONS[3:], *by_evaluations("lime", 0, 0, 0, 10, 0, 0)] + [
    (name, {"max_evals": 10, **WAYS[3]}) for name in ("kernel_shap", "partition_shap")
]
