"""Make methods.json of the folders of method_cases.py: values of the methods besides Captum's.

    EXPLAIND=path/to/explaind python make_methods.py                  every folder
    EXPLAIND=path/to/explaind python make_methods.py bert-tiny        some of them

make.py writes the checkpoints. The service is only used for the boundaries of words.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import torch

from attending import (
    attention_flow,
    attention_gradient,
    attention_norm,
    attention_rollout,
    matrices,
    watch,
)
from check_methods import check, rounded
from faithful import evaluate
from make import write
from method_cases import CASES, Spec
from methods import METHODS
from noisy import gradient_shap, smooth_grad
from owen import partition_shap
from perturbed import kernel_shap, lime, occlusion
from reference import Reference
from units import Question, words

HERE = Path(__file__).parent
PACKAGES = (
    "torch",
    "transformers",
    "captum",
    "lime",
    "shap",
    "ferret-xai",
    "networkx",
    "scipy",
)
MORE = {
    "smooth_grad": smooth_grad,
    "gradient_shap": gradient_shap,
    "occlusion": occlusion,
    "lime": lime,
    "kernel_shap": kernel_shap,
    "partition_shap": partition_shap,
    "attention_rollout": attention_rollout,
    "attention_flow": attention_flow,
    "attention_gradient": attention_gradient,
    "attention_norm": attention_norm,
}


def question_of(folder: Path, reference: Reference, spec: Spec) -> Question:
    """The request, with its text encoded."""
    texts = spec.text, spec.text_pair
    encoded = reference.encode(*texts)
    token = spec.target.get("token")
    assert token is None or not encoded.special[token], encoded.tokens
    return Question(
        reference, encoded, spec.output, spec.target, spec.seed, words(folder, *texts)
    )


def explain(question: Question, method: str, options: dict) -> dict:
    """One explanation."""
    if method in MORE:
        return MORE[method](question, **options)
    return METHODS[method](question.reference, question.encoded, question.function, **options)


def answer(question: Question, spec: Spec) -> dict:
    """One case."""
    explanations = [explain(question, *method) for method in spec.methods]
    case = {
        "request": spec.request(),
        "words": [list(word.tokens) for word in question.words],
        "token": [explanation["token"] for explanation in explanations],
        "output_value": [question.value()] * len(explanations),
        "baseline_value": [found.get("baseline_value") for found in explanations],
    }
    if any("fit" in found for found in explanations):
        case["fit"] = [found.get("fit") for found in explanations]
    if spec.attention:
        shown = matrices(watch(question), spec.attention["kind"], spec.attention["heads"])
        case["attention"] = {"shape": list(shown.shape), "weights": shown.flatten().tolist()}
    if spec.evaluate:
        case["evaluation"] = {
            name: evaluate(question, scores)
            for (name, _), scores in zip(spec.methods, case["token"], strict=True)
        }
    return case


def make(name: str) -> None:
    """Make one folder: values and checks."""
    folder = HERE / name
    doubles, singles = (Reference(folder, kind) for kind in (torch.float64, torch.float32))
    cases, errors = [], {}
    for spec in CASES[name]:
        question = question_of(folder, doubles, spec)
        case = answer(question, spec)
        found = check(question, spec, case)
        found |= rounded(spec, case, answer(question_of(folder, singles, spec), spec))
        for what, error in found.items():
            errors[what] = max(errors.get(what, 0.0), error)
        cases.append(case)
    made_with = {package: version(package) for package in PACKAGES}
    path = folder / "methods.json"
    write(path, {"made_with": made_with, "cases": cases}, "token")
    count = sum(len(case["token"]) for case in cases)
    print(f"{name}: {count} explanations, {path.stat().st_size // 1000} kB")
    for what, error in errors.items():
        print(f"  {what}: {error:.1e}")


def main() -> None:
    """Make the folders named on the command line, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name)


if __name__ == "__main__":
    main()
