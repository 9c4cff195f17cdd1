"""Writes the weights of tests/golden/bert-tiny in both formats of torch.save.

    python make.py        # needs torch and safetensors

bert-tiny.bin          zip archive (PyTorch 1.6 and later), float32
bert-tiny-legacy.bin   legacy format, float16, like checkpoints converted from TensorFlow:
                       transposed matrices without a copy, gamma and beta, a storage shared by
                       several tensors, and an integer buffer
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent


def transposed(tensor):
    """The same matrix in column-major order."""
    return tensor.t().contiguous().t() if tensor.dim() == 2 else tensor


def old_name(name):
    if "LayerNorm" in name:
        name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
    return name


def with_shared_storage(tensors):
    """Puts all vectors into one storage."""
    names = [name for name, tensor in tensors.items() if tensor.dim() == 1]
    flat = torch.cat([tensors[name] for name in names])
    start = 0
    for name in names:
        size = tensors[name].numel()
        tensors[name] = flat[start : start + size]
        start += size
    return tensors


def main():
    weights = load_file(HERE / "../../golden/bert-tiny/model.safetensors")
    weights = OrderedDict(sorted(weights.items()))
    torch.save(weights, HERE / "bert-tiny.bin")

    old = OrderedDict((old_name(name), transposed(t.half())) for name, t in weights.items())
    old = with_shared_storage(old)
    old["bert.embeddings.position_ids"] = torch.arange(40).expand(1, -1)
    torch.save(old, HERE / "bert-tiny-legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
