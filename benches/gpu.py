"""Parity and speed on a GPU against PyTorch and Captum on the same GPU: benches/run gpu

Integrated gradients of the predicted logit, 50 steps and automatic, of sentences of some lengths, one
at a time and several at the same time. The service runs as users run it, over HTTP. Captum computes as
many sentences per call as there are at the same time, with the internal_batch_size that is fastest, and
PyTorch's scaled_dot_product_attention. Prints a table in Markdown.

`--device portable` with `--smoke` runs the same on the CPU, to see that it works. That needs a binary
with the feature `candle`.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent / "python"))
from classifier import Classifier  # noqa: E402

STEPS = 50
DTYPES = {"f32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}
WORDS = ("the film is a long and rather slow story about a family that moves to the sea and finds "
         "there what it had not looked for told with great warmth played with care").split()


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/release/explaind")
    parser.add_argument("--device", default="cuda:0", help="of the service; PyTorch uses the same")
    parser.add_argument("--models", default=os.environ.get("BENCH_MODELS", "target/bench-models"))
    parser.add_argument("--model", default="bert-base")
    parser.add_argument("--tokens", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=list(DTYPES))
    parser.add_argument("--batches", type=int, nargs="+", default=[50, 200, 800, 3200],
                        help="internal_batch_size to try, at most all rows of a call")
    parser.add_argument("--seconds", type=float, default=4, help="per measurement")
    parser.add_argument("--smoke", action="store_true", help="tiny settings")
    options = parser.parse_args()
    if options.smoke:
        options.model, options.seconds = "small", 1
        options.tokens, options.at_once = [16], [1, 2]
        options.dtypes = [name for name in options.dtypes if name != "tf32"]
    folder = Path(options.models).resolve() / options.model
    device = options.device if options.device.startswith("cuda") else "cpu"
    print(f"{description(device)}; {options.model}, integrated gradients, {STEPS} steps\n")
    exact = reference(folder, device, options)
    rows = []
    for dtype in options.dtypes:
        peak = matrix_peak(device, dtype)
        ours = service(folder, dtype, options)
        theirs = captum(folder, device, dtype, options)
        for tokens in options.tokens:
            for count in options.at_once:
                cell = ours[tokens, count]
                rate, their_rate = cell["rate"], theirs[tokens, count]["rate"]
                share = rate * flops(folder, tokens) / peak
                rows.append([
                    dtype, tokens, count, f"{rate:.1f}", f"{cell['median_ms']:.1f}",
                    f"{cell['auto_rate']:.1f}", f"{their_rate:.1f}",
                    theirs[tokens, count]["batch"], f"{rate / their_rate:.2f}",
                    f"{cell['auto_rate'] / their_rate:.2f}", f"{share:.0%}",
                    f"{error(cell['scores'], exact[tokens]):.0e}",
                    f"{error(theirs[tokens, count]['scores'], exact[tokens]):.0e}",
                ])
                print(*rows[-1], sep="\t", file=sys.stderr, flush=True)
    table(["dtype", "tokens", "at once", "sentences/s", "median ms", "sentences/s, auto steps",
           "Captum: sentences/s", "Captum: batch size", "ratio", "ratio, auto steps",
           "share of matrix peak",
           "error", "Captum: error"], rows)
    print("\nErrors are the largest difference to float64, relative to the largest score. The peak is\n"
          f"that of torch.matmul of {matrix_size(device)} rows and columns in the same dtype.")


def description(device):
    """The device, as PyTorch names it."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    return f"{name}, torch {torch.__version__}"


def text(tokens, number=0):
    """A text of this many tokens: each word is one, and there are two special ones."""
    return " ".join(WORDS[(number + i) % len(WORDS)] for i in range(tokens - 2))


def reference(folder, device, options):
    """Captum's scores in float64 by number of tokens."""
    classifier = Classifier(folder, torch.float64, device)
    scores = {}
    for tokens in options.tokens:
        explanation = classifier.explain(text(tokens), STEPS, internal_batch_size=10)
        if len(explanation.input_ids) != tokens:
            sys.exit(f"the text has {len(explanation.input_ids)} tokens, not {tokens}")
        scores[tokens] = explanation.token_scores
    release(classifier)
    return scores


def captum(folder, device, dtype, options):
    """Captum's sentences per second and scores."""
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    classifier = Classifier(folder, DTYPES[dtype], device, attention="sdpa")
    classifier.model.requires_grad_(False)
    cells = {}
    for tokens in options.tokens:
        scores = classifier.explain(text(tokens), STEPS).token_scores
        for count in options.at_once:
            texts = [text(tokens, number) for number in range(count)]
            tried = {}
            for batch in sorted({min(size, STEPS * count) for size in options.batches}):
                try:
                    tried[batch] = rate(lambda: classifier.explain_all(texts, STEPS, batch),  # noqa: B023
                                        options.seconds / 4)
                except torch.OutOfMemoryError:
                    torch.cuda.empty_cache()
            best = max(tried, key=tried.get)
            cells[tokens, count] = {"rate": count * tried[best], "batch": best, "scores": scores}
    release(classifier)
    torch.backends.cuda.matmul.allow_tf32 = False
    return cells


def rate(call, seconds):
    """Calls per second, after one that is not counted. Results are on the CPU, so they are complete."""
    call()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        call()
        calls += 1
    return calls / (time.perf_counter() - start)


def release(classifier):
    """Frees a model before the next one is loaded."""
    del classifier.model
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def matrix_size(device):
    """The size of the product that shows the peak."""
    return 4096 if device.startswith("cuda") else 512


def matrix_peak(device, dtype):
    """Operations per second of a large product."""
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    size = matrix_size(device)
    a = torch.randn(size, size, device=device, dtype=DTYPES[dtype])
    products = 20
    def call():
        for _ in range(products):
            b = a @ a
        return b[0, 0].item()
    result = rate(call, 0.5) * products * 2 * size**3
    torch.backends.cuda.matmul.allow_tf32 = False
    return result


def flops(folder, tokens):
    """Operations of one explanation: of matrix products, forward and backward to the input."""
    config = json.loads((folder / "config.json").read_text())
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    per_token = 4 * hidden * hidden + 2 * hidden * inner
    attention = 2 * tokens * hidden
    # A multiply-add is two operations. Attention has two products forward, four backward.
    return 2 * config["num_hidden_layers"] * STEPS * tokens * (2 * per_token + 3 * attention)


def service(folder, dtype, options):
    """The service's sentences per second, latency and scores."""
    config = tempfile.NamedTemporaryFile("w", suffix=".toml")
    config.write(f'[engine]\ndevice = "{options.device}"\n[limits]\nrequest_ms = 600000\n'
                 f'[[models]]\nid = "m"\nsource = "{folder}"\ndtype = "{dtype}"\n')
    config.flush()
    command = [Path(options.binary).resolve(), "--config", config.name, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "EXPLAIND_LOG__FILTER": "warn"})
    line = process.stdout.readline()
    if not line:
        sys.exit(f"the service does not start: {process.stderr.read()}")
    threading.Thread(target=process.stderr.read, daemon=True).start()
    address = line.strip().rpartition("/")[2]
    try:
        cells = {}
        for tokens in options.tokens:
            answer = explain(HTTPConnection(address), text(tokens))
            if answer["model"]["dtype"] != dtype:
                sys.exit(f"the service computes in {answer['model']['dtype']}, not {dtype}")
            scores = scores_of(answer)
            for count in options.at_once:
                fixed = load(address, tokens, count, options.seconds, STEPS)
                auto = load(address, tokens, count, options.seconds / 2, None)
                cells[tokens, count] = {
                    "rate": len(fixed) / options.seconds,
                    "median_ms": 1000 * sorted(fixed)[len(fixed) // 2] if fixed else float("nan"),
                    "auto_rate": len(auto) / (options.seconds / 2),
                    "scores": scores,
                }
        return cells
    finally:
        process.terminate()
        process.wait()


def scores_of(answer):
    """The scores of the tokens, of the only input and the only method."""
    return answer["results"][0]["explanations"][0]["attributions"]["token"]


def explain(connection, words, steps=STEPS):
    """The answer to one request."""
    method = {"name": "integrated_gradients"}
    if steps:
        method["n_steps"] = steps
    body = json.dumps({"inputs": words, "methods": [method], "output": "logit",
                       "attention": False, "granularity": ["token"]})
    connection.request("POST", "/explain", body, {"content-type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        sys.exit(f"the service answers {response.status}: {answer}")
    return answer


def load(address, tokens, count, seconds, steps):
    """The seconds of each request that was answered within `seconds`, by `count` clients.

    Each client first sends one that is not counted: libraries load what they need for these sizes."""
    latencies, begin = [], []
    everyone_is_ready = threading.Barrier(count, lambda: begin.append(time.perf_counter()))
    def client(number):
        connection = HTTPConnection(address)
        explain(connection, text(tokens, number), steps)
        everyone_is_ready.wait()
        while (sent := time.perf_counter()) < begin[0] + seconds:
            explain(connection, text(tokens, number), steps)
            received = time.perf_counter()
            if received < begin[0] + seconds:
                latencies.append(received - sent)
    clients = [threading.Thread(target=client, args=(number,)) for number in range(count)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return latencies


def error(ours, exact):
    """The largest difference, relative to the largest score."""
    return max(abs(a - b) for a, b in zip(ours, exact, strict=True)) / max(map(abs, exact))


def table(head, rows):
    """Prints a table in Markdown."""
    for row in [head, ["---"] * len(head), *rows]:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
