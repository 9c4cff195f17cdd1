"""Forward passes without attention weights, by the fastest means that Python has."""

import tempfile
from pathlib import Path
from time import perf_counter

import onnxruntime
import torch

from classifier import Classifier


class Sdpa:
    """PyTorch with its fused attention, which returns no weights."""

    def __init__(self, folder: Path):
        self.classifier = Classifier(folder, attention="sdpa")

    def run(self, text: str) -> tuple[float, list[float]]:
        """Seconds without tokenization, and logits."""
        ids, mask = self.classifier.encode(text)
        start = perf_counter()
        with torch.inference_mode():
            logits = self.classifier.logits(ids, mask)[0]
        return perf_counter() - start, logits.tolist()


class Onnx:
    """ONNX Runtime, with the model as torch exports it."""

    def __init__(self, folder: Path):
        self.classifier = Classifier(folder, attention="sdpa")
        example = self.classifier.encode("the film is good")
        lengths = {1: torch.export.Dim("tokens", min=2, max=512)}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Its threads would take the cores from the other side, between its turns.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with tempfile.TemporaryDirectory() as out:
            path = str(Path(out) / "model.onnx")
            torch.onnx.export(
                self.classifier.model,
                kwargs=dict(zip(("input_ids", "attention_mask"), example, strict=True)),
                f=path,
                dynamo=True,
                dynamic_shapes={"input_ids": lengths, "attention_mask": lengths},
                verbose=False,
            )
            self.session = onnxruntime.InferenceSession(path, options)

    def run(self, text: str) -> tuple[float, list[float]]:
        """Seconds without tokenization, and logits."""
        ids, mask = self.classifier.encode(text)
        feed = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        start = perf_counter()
        (logits,) = self.session.run(None, feed)
        return perf_counter() - start, logits[0].tolist()


PEERS = {"sdpa": Sdpa, "onnx": Onnx}


def best_sgemm() -> float:
    """The most GFLOP/s of single-precision products of several shapes, each several times."""
    best = 0.0
    for rows, depth, columns in [(256, 768, 3072), (512, 1024, 1024), (1024, 2048, 2048)]:
        left, right = torch.randn(rows, depth), torch.randn(depth, columns)
        for _ in range(8):
            start = perf_counter()
            left @ right
            best = max(best, 2e-9 * rows * depth * columns / (perf_counter() - start))
    return best
