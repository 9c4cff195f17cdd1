"""PyTorch and Captum, driven by a benchmark over pipes.

    python worker.py MODEL_DIR [--threads N]

Reads requests from standard input and writes responses to standard output, one JSON object per
line. The first line of output is {"ready": true, ...}, once the model is loaded. A request has the
name of an operation in "op", and "text" except for "memory" and "sgemm"; the operations and their other
fields are the methods of `Worker`. Errors are returned as {"error": ...}. The process ends at the
end of the input.

Times are measured in this process, without pipes and JSON.
"""

import argparse
import copy
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from classifier import Classifier, cores
from forwards import PEERS, best_sgemm

PACKAGES = ["torch", "transformers", "captum", "numpy", "onnxruntime"]
TRIED_BATCH_SIZES = [None, 4, 8, 16, 32]
TUNING_RUNS = 3
REFERENCE_BATCH = 16


def main() -> None:
    """Answer requests until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    answers = claim_stdout()
    torch.set_num_threads(arguments.threads)
    worker = Worker(arguments.folder)
    versions = {name: version(name) for name in PACKAGES}
    versions["python"] = platform.python_version()
    ready = {"ready": True, "threads": torch.get_num_threads(), "versions": versions}
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        print(answer(worker, line), file=answers, flush=True)


def claim_stdout():
    """Returns standard output as a stream and redirects all other output to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def answer(worker: "Worker", line: str) -> str:
    """Returns the response to one line. No request may end the process."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict) or request.get("op") not in OPERATIONS:
            raise ValueError(f"an object with one of {', '.join(OPERATIONS)} in op is needed")
        operation = request.pop("op")
        return json.dumps(OPERATIONS[operation](worker, **request), allow_nan=False)
    except Exception as error:  # noqa: BLE001
        return json.dumps({"error": f"{type(error).__name__}: {error}"})


class Worker:
    """The operations, on one model."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.classifier = Classifier(folder)
        self.peers = {}  # of forward passes without attention, by name
        self.exact = None  # the float64 copy, created by the first `reference`
        self.batch_size = None  # the default batch size; `tune` sets it

    def integrated_gradients(self, text: str, n_steps: int = 50, **options) -> dict:
        """All work of a service for a request, from tokens to convergence delta.

        "internal_batch_size" is a number of rows, or null for all steps at once. The default is
        the result of `tune`, or without it Captum's default, all steps at once."""
        batch_size = options.pop("internal_batch_size", self.batch_size)
        if options:
            raise TypeError(f"unknown fields: {', '.join(options)}")
        start = perf_counter()
        explanation = self.classifier.explain(text, n_steps, batch_size)
        seconds = perf_counter() - start
        return {
            "seconds": seconds,
            "tokens": len(explanation.input_ids),
            "label": explanation.label,
            "token_scores": explanation.token_scores,
            "delta": explanation.delta,
        }

    def saliency(self, text: str) -> dict:
        """L2 norm per token of the gradient of the predicted logit w.r.t. the word embeddings.

        Uses autograd directly, which is faster than Captum: one forward pass serves both the
        prediction and the gradient."""
        start = perf_counter()
        model = self.classifier.model
        ids, mask = self.classifier.encode(text)
        embeddings = model.bert.embeddings.word_embeddings(ids).detach().requires_grad_()
        logits = model(inputs_embeds=embeddings, attention_mask=mask).logits[0]
        (gradient,) = torch.autograd.grad(logits.max(), embeddings)
        scores = gradient[0].norm(dim=-1).tolist()
        seconds = perf_counter() - start
        return {
            "seconds": seconds,
            "tokens": len(scores),
            "label": int(logits.argmax()),
            "token_scores": scores,
        }

    def forward(self, text: str, attentions: bool = True) -> dict:
        """One forward pass without gradients; the time excludes tokenization."""
        ids, mask = self.classifier.encode(text)
        start = perf_counter()
        with torch.no_grad():
            output = self.classifier.model(
                input_ids=ids, attention_mask=mask, output_attentions=attentions
            )
        seconds = perf_counter() - start
        return {
            "seconds": seconds,
            "tokens": ids.shape[1],
            "logits": output.logits[0].tolist(),
            "attention_layers": len(output.attentions or ()),
        }

    def plain(self, text: str, peer: str) -> dict:
        """One forward pass without attention weights: "sdpa" by PyTorch, "onnx" by ONNX Runtime.

        The first request of a peer loads its model."""
        if peer not in self.peers:
            self.peers[peer] = PEERS[peer](self.folder)
        seconds, logits = self.peers[peer].run(text)
        return {"seconds": seconds, "logits": logits}

    def sgemm(self) -> dict:
        """The best speed of single-precision products, in GFLOP/s."""
        return {"gflops": best_sgemm()}

    def reference(self, text: str, n_steps: int = 300) -> dict:
        """Integrated gradients in float64, to measure rounding errors.

        Does not use Captum, which weights the steps in float32. Slow and without a time. Keeps a
        second copy of the model: request "memory" before."""
        if self.exact is None:
            self.exact = copy.deepcopy(self.classifier.model).double()
        ids, _ = self.classifier.encode(text)
        embed = self.exact.bert.embeddings.word_embeddings
        with torch.no_grad():
            logits = self.exact(input_ids=ids).logits[0]
            inputs, baseline = embed(ids)[0], embed(self.classifier.baseline(ids))[0]
        label = int(logits.argmax())
        nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(n_steps))
        nodes, weights = (nodes + 1) / 2, weights / 2
        gradient = torch.zeros_like(inputs)
        for alpha, weight in zip(
            nodes.split(REFERENCE_BATCH), weights.split(REFERENCE_BATCH), strict=True
        ):
            rows = (baseline + alpha[:, None, None] * (inputs - baseline)).requires_grad_()
            total = (self.exact(inputs_embeds=rows).logits[:, label] * weight).sum()
            gradient += torch.autograd.grad(total, rows)[0].sum(0)
        scores = (gradient * (inputs - baseline)).sum(-1).tolist()
        return {"tokens": len(scores), "label": label, "token_scores": scores}

    def tune(self, text: str, n_steps: int = 50) -> dict:
        """Find the fastest settings of Captum on this machine, and keep them.

        Tries the batch sizes, with and without frozen parameters. The fastest run counts, since
        other load on the machine can only slow down a run."""
        trials = []
        for frozen in (False, True):
            self.classifier.model.requires_grad_(not frozen)
            for batch_size in TRIED_BATCH_SIZES:
                if batch_size is not None and batch_size >= n_steps:
                    continue
                runs = [
                    self.integrated_gradients(text, n_steps, internal_batch_size=batch_size)
                    for _ in range(1 + TUNING_RUNS)
                ]
                trials.append(
                    {
                        "internal_batch_size": batch_size,
                        "frozen": frozen,
                        "seconds": [run["seconds"] for run in runs[1:]],
                    }
                )
        best = min(trials, key=lambda trial: min(trial["seconds"]))
        self.batch_size = best["internal_batch_size"]
        self.classifier.model.requires_grad_(not best["frozen"])
        return {"tokens": runs[0]["tokens"], "best": best, "trials": trials}

    def memory(self) -> dict:
        """Current and peak resident bytes of the process.

        These include the pages of PyTorch's libraries, with CUDA code in the usual wheels;
        "anonymous" excludes the pages of files."""
        lines = Path("/proc/self/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        names = {"rss": "VmRSS", "peak_rss": "VmHWM", "anonymous": "RssAnon"}
        kibibytes = {name: int(fields[field].split()[0]) for name, field in names.items()}
        return {f"{name}_bytes": value * 1024 for name, value in kibibytes.items()}


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        Worker.integrated_gradients,
        Worker.saliency,
        Worker.forward,
        Worker.plain,
        Worker.sgemm,
        Worker.reference,
        Worker.tune,
        Worker.memory,
    )
}


if __name__ == "__main__":
    main()
