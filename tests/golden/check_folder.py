"""Compare a running explaind with transformers and Captum on one model folder.

    python check_folder.py MODEL_DIR --url http://127.0.0.1:8080 --model ID [--texts FILE]

Supports every architecture, classifiers of sequences, pairs and tokens, question answering, masked
language models and next sentence prediction. Prints a Markdown table of the largest errors over
the texts. FILE has one text per line, or a pair separated by a tab; "{mask}" is replaced by the
mask token. The explained scalar is that of the best prediction in float64.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

import torch

import tasks
from methods import BASELINES, LAYERS, NORMS, QUADRATURES, REPLACEMENTS, integrated_gradients
from reference import Reference
from served import SERVED, compare_tokens

TEXTS = [
    ("This movie is really great.", None),
    ("Café — the WORST plot I've ever seen!! 😀 (2 hours of it)", None),
    ("这部电影真的很棒,我很喜欢。", None),
    ("Was the film good?", "这部电影不好"),
]
TASK_TEXTS = {
    tasks.TokenClassification: [text for text in TEXTS if text[1] is None],
    tasks.QuestionAnswering: [
        ("What was great?", "The plot was dull, but the music was really great."),
        ("这部电影怎么样?", "我觉得这部电影真的很棒。"),
    ],
    tasks.MaskedLM: [
        ("This movie is really {mask}.", None),
        ("Café — the {mask} plot I've ever {mask}!! 😀", None),
        ("这部电影真的很{mask}。", None),
    ],
}


def main() -> None:
    """Compare every text and print the table; the exit status is 1 if the limit is exceeded."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    exact = Reference(arguments.folder, torch.float64)
    single = Reference(arguments.folder, torch.float32)
    if isinstance(exact.task, tasks.Encoder):
        sys.exit("encoders are not supported")
    table = Table()
    for texts in read_texts(arguments.texts, exact):
        tokens = len(exact.encode(*texts).tokens)
        if tokens > exact.max_tokens:
            print(f"skipped, {tokens} tokens: {texts[0]}", file=sys.stderr)
            continue
        print(f"{tokens} tokens: {texts[0]}", file=sys.stderr)
        service = Service(arguments.url, arguments.model, *texts)
        compare(table, service, exact, single, arguments)
    table.print()
    if arguments.limit is not None and table.worst() > arguments.limit:
        sys.exit(f"an error is over {arguments.limit}")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--model", required=True, metavar="ID")
    parser.add_argument("--texts", type=Path, metavar="FILE")
    parser.add_argument("--output", default="logit", choices=["logit", "probability"])
    parser.add_argument("--n-steps", type=int, default=50)
    parser.add_argument("--layers", nargs="+", default=LAYERS, choices=LAYERS)
    parser.add_argument("--baselines", nargs="+", default=BASELINES, choices=BASELINES)
    parser.add_argument("--quadratures", nargs="+", default=QUADRATURES, choices=QUADRATURES)
    parser.add_argument("--occlusion", action="store_true", help="compare occlusion as well")
    parser.add_argument("--detail", action="store_true", help="one row per quadrature")
    parser.add_argument("--limit", type=float, help="fail if a service error is larger")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    return parser.parse_args()


def read_texts(path: Path | None, reference: Reference) -> list[tuple[str, str | None]]:
    """Pairs (text, text_pair or None), one per line that is not empty."""
    if path is None:
        texts = TASK_TEXTS.get(type(reference.task), TEXTS)
    else:
        lines = path.read_text(encoding="utf-8").splitlines()
        parts = (line.partition("\t") for line in lines)
        texts = [(text, pair or None) for text, _, pair in parts if text]
    mask = reference.tokenizer.mask_token or ""
    return [(text.replace("{mask}", mask), pair) for text, pair in texts]


class Service:
    """POST /explain for one text."""

    def __init__(self, url: str, model: str, text: str, text_pair: str | None):
        self.url = url.rstrip("/") + "/explain"
        inputs = {"text": text} if text_pair is None else {"text": text, "text_pair": text_pair}
        self.body = {
            "model": model,
            "inputs": inputs,
            "granularity": ["token"],
            "normalize": "none",
        }

    def explain(self, output: str, target: dict, methods: list, attention: bool) -> dict:
        """The result of the text; exits if the status is not 200."""
        body = {
            **self.body,
            "output": output,
            "target": target,
            "methods": [{"name": name, **options} for name, options in methods],
            "attention": {"layers": "all", "heads": "all"} if attention else False,
        }
        request = urllib.request.Request(
            self.url,
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)["results"][0]
        except urllib.error.HTTPError as error:
            sys.exit(f"{error}: {error.read().decode()}")


class Table:
    """Largest errors by name: service and float64, service and float32, float32 and float64."""

    def __init__(self):
        self.rows: dict[str, list] = {}

    def add(self, name: str, error, served, single, exact) -> None:
        """Add a comparison of three values by `error`, a function of two of them."""
        errors = error(served, exact), error(served, single), error(single, exact)
        row = self.rows.setdefault(name, [0, 0.0, 0.0, 0.0])
        self.rows[name] = [row[0] + 1, *map(max, row[1:], errors)]

    def worst(self) -> float:
        """The largest error between the service and float64."""
        return max(row[1] for row in self.rows.values())

    def print(self) -> None:
        """Print Markdown. Errors are relative to the largest value of the compared tensor, those of
        single values to the larger of |output_value| and |baseline_value|."""
        print("| what | compared | service, float64 | service, float32 | float32, float64 |")
        print("|---|---:|---:|---:|---:|")
        for name, (count, *errors) in self.rows.items():
            print(f"| {name} | {count} |", *(f"{error:.1e} |" for error in errors))


def double(values) -> torch.Tensor:
    """A float64 tensor."""
    return torch.as_tensor(values, dtype=torch.float64)


def relative(a, b) -> float:
    """max |a - b| / max |b|"""
    a, b = double(a), double(b)
    if a.shape != b.shape:
        sys.exit(f"the service's shape {tuple(a.shape)} is not {tuple(b.shape)}")
    difference, size = (a - b).abs().max().item(), b.abs().max().item()
    return difference / size if size else difference


def compare(table: Table, service: Service, exact: Reference, single: Reference, arguments) -> None:
    """Add everything about one text to the table."""
    text, text_pair = service.body["inputs"]["text"], service.body["inputs"].get("text_pair")
    encoded = exact.encode(text, text_pair)
    single_answer, exact_answer = (reference.predict(encoded) for reference in (single, exact))
    target = exact.task.targets(exact, encoded, exact_answer[0])[0]

    methods = [("saliency", {"norm": norm}) for norm in NORMS] + [("input_x_gradient", {})]
    if arguments.occlusion:
        methods += [("occlusion", {"unit": "token", "replacement": name}) for name in REPLACEMENTS]
    result = service.explain(arguments.output, target, methods, attention=True)
    compare_tokens(encoded, result["tokens"])
    for name, (served, index) in SERVED[type(exact.task)](exact, encoded, result).items():
        answers = (answer[0][name][index] for answer in (single_answer, exact_answer))
        table.add(name, relative, served, *answers)
    if isinstance(exact.task, tasks.QuestionAnswering):
        answers = [
            reference.task.fields(reference, encoded, answer[0])["answer"]
            for reference, answer in ((single, single_answer), (exact, exact_answer))
        ]
        compare_answer(table, result["answer"], *answers)
    weights = result["attention"]["weights"]
    table.add("attention", relative, weights, single_answer[1], exact_answer[1])

    def explain_all(methods, explanations):
        for (name, options), explanation in zip(methods, explanations, strict=True):
            check_options(name, options, explanation)
            ours = [
                reference.explain(encoded, name, options, arguments.output, target)
                for reference in (single, exact)
            ]
            compare_explanation(table, explanation, *ours, arguments.detail)

    explain_all(methods, result["explanations"])
    for layer in arguments.layers:
        for baseline in arguments.baselines:
            methods = [
                integrated_gradients(layer, baseline, quadrature, arguments.n_steps)
                for quadrature in arguments.quadratures
            ]
            result = service.explain(arguments.output, target, methods, attention=False)
            explain_all(methods, result["explanations"])


def compare_answer(table: Table, served: dict, single: dict, exact: dict) -> None:
    """The text and offsets of the answer must be the same."""
    for name in ("text", "start", "end", "start_token", "end_token"):
        if served[name] != exact[name]:
            sys.exit(f"the answer differs:\n{served}\n{exact}")
    table.add("answer", relative, served["probability"], single["score"], exact["score"])


def check_options(name: str, options: dict, explanation: dict) -> None:
    """The response must have the requested method and options."""
    served = {key: explanation["options"].get(key) for key in options}
    if (explanation["method"], served) != (name, options):
        sys.exit(f"requested {name} {options}, got {explanation['method']} {served}")


def compare_explanation(
    table: Table, served: dict, single: dict, exact: dict, detail: bool
) -> None:
    """Compare scores per token, and for integrated gradients the values of completeness."""
    options = exact["options"]
    name = " ".join([exact["method"], *map(str, options.values())])
    if exact["method"] == "integrated_gradients":
        kind = f"integrated_gradients {options['layer']}"
        name = f"{kind} {options['baseline']}"
        if detail:
            name += f" {options['quadrature']}"
        scale = max(abs(exact["output_value"]), abs(exact["baseline_value"]))
        for value in ("output_value", "baseline_value", "convergence_delta"):
            table.add(
                f"{kind}: {value}",
                lambda a, b: abs(a - b) / scale,
                *(answer[value] for answer in (served, single, exact)),
            )
    error = relative
    if "scale" in exact:  # sums may be 0 except for rounding: errors are relative to the scale
        error = lambda a, b: (double(a) - double(b)).abs().max().item() / exact["scale"]
    table.add(name, error, served["attributions"]["token"], single["token"], exact["token"])


if __name__ == "__main__":
    main()
