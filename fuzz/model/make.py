"""Writes the tiny model in this folder, and the binary seeds.

    python fuzz/model/make.py

Needs only Python: the weights are random, as only the file formats matter.
"""

import io
import json
import pickle
import random
import struct
import sys
import types
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
SEEDS = HERE.parent / "seeds"

PIECES = "[UNK] [PAD] [CLS] [SEP] [MASK] a b ##a ##b the good one . , ? -".split()
HIDDEN, INNER, HEADS, POSITIONS, TYPES, LABELS = 4, 6, 2, 16, 2, 3

CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 1,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": TYPES,
    "vocab_size": len(PIECES),
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "id2label": {"0": "bad", "1": "so", "2": "good"},
}

TOKENIZER_CONFIG = {
    "tokenizer_class": "BertTokenizer",
    "model_max_length": POSITIONS,
    "do_lower_case": True,
    "unk_token": "[UNK]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def tokenizer():
    special = lambda name, kind: {"SpecialToken": {"id": name, "type_id": kind}}
    text = lambda name, kind: {"Sequence": {"id": name, "type_id": kind}}
    around = lambda name: {"id": name, "ids": [PIECES.index(name)], "tokens": [name]}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    single = [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": PIECES[i], **flags, "special": True} for i in range(5)
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": single + [text("B", 1), special("[SEP]", 1)],
            "special_tokens": {name: around(name) for name in ["[CLS]", "[SEP]"]},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: i for i, piece in enumerate(PIECES)},
        },
    }


def byte_pieces():
    """A byte-level vocabulary of a few bytes and two merges."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>"] + list("aobdgeth") + ["th", "the", "<mask>"]
    return {piece: i for i, piece in enumerate(pieces)}, "#version: 0.2\nt h\nth e\n"


def tensors():
    """Names and shapes."""
    embeddings = {"word": len(PIECES), "position": POSITIONS, "token_type": TYPES}
    for name, rows in embeddings.items():
        yield f"bert.embeddings.{name}_embeddings.weight", [rows, HIDDEN]
    layer = "bert.encoder.layer.0"
    maps = {f"{layer}.attention.self.{name}": (HIDDEN, HIDDEN) for name in ["query", "key", "value"]}
    maps[f"{layer}.attention.output.dense"] = (HIDDEN, HIDDEN)
    maps[f"{layer}.intermediate.dense"] = (INNER, HIDDEN)
    maps[f"{layer}.output.dense"] = (HIDDEN, INNER)
    maps["bert.pooler.dense"] = (HIDDEN, HIDDEN)
    maps["classifier"] = (LABELS, HIDDEN)
    for block in ["bert.embeddings", f"{layer}.attention.output", f"{layer}.output"]:
        yield f"{block}.LayerNorm.weight", [HIDDEN]
        yield f"{block}.LayerNorm.bias", [HIDDEN]
    for name, (out, size) in maps.items():
        yield f"{name}.weight", [out, size]
        yield f"{name}.bias", [out]


def count(shape):
    return shape[0] * (shape[1] if len(shape) == 2 else 1)


def numbers():
    generator = random.Random(1)
    for name, shape in tensors():
        values = [generator.uniform(-1, 1) for _ in range(count(shape))]
        yield name, shape, struct.pack(f"<{len(values)}f", *values)


def safetensors(head=lambda header: header):
    header, data = {}, b""
    for name, shape, values in numbers():
        offsets = [len(data), len(data) + len(values)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        data += values
    text = json.dumps(head(header), separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


class Global:
    """A class that a pickle refers to by name."""

    def __init__(self, module, name):
        self.made = type(name, (), {"__module__": module, "__qualname__": name})
        sys.modules.setdefault(module, types.ModuleType(module))
        setattr(sys.modules[module], name, self.made)


sys.modules.setdefault("torch", types.ModuleType("torch"))
REBUILD = Global("torch._utils", "_rebuild_tensor_v2").made
STORAGE = Global("torch", "FloatStorage").made


class Storage:
    def __init__(self, key, size):
        self.key, self.size = key, size


class Tensor:
    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce__(self):
        strides = tuple([self.shape[1], 1] if len(self.shape) == 2 else [1])
        return REBUILD, (self.storage, 0, tuple(self.shape), strides, False, {})


def state_dict(sixth):
    """A pickle of tensors with external storages."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                return ("storage", STORAGE, value.key, "cpu", value.size) + sixth

    file = io.BytesIO()
    shapes = {name: Tensor(Storage(str(i), count(shape)), shape)
              for i, (name, shape) in enumerate(tensors())}
    Pickler(file, 2).dump(shapes)
    return file.getvalue()


def archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        write = lambda name, data: out.writestr(zipfile.ZipInfo(f"small/{name}"), data)
        write("data.pkl", state_dict(()))
        write("byteorder", "little")
        for i, (_, _, values) in enumerate(numbers()):
            write(f"data/{i}", values)
        write("version", "3\n")
    return file.getvalue()


def legacy():
    dump = lambda value: pickle.dumps(value, 2)
    parts = list(numbers())
    head = dump(0x1950A86A20F9469CFC6C) + dump(1001) + dump({"little_endian": True})
    keys = dump([str(i) for i in range(len(parts))])
    data = b"".join(struct.pack("<Q", len(values) // 4) + values for _, _, values in parts)
    return head + state_dict((None,)) + keys + data


def seed(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def write(name, data):
    text = data if isinstance(data, str) else json.dumps(data, indent=1) + "\n"
    (HERE / name).write_text(text)


vocabulary, merges = byte_pieces()
write("config.json", CONFIG)
write("tokenizer.json", tokenizer())
write("tokenizer_config.json", TOKENIZER_CONFIG)
write("vocab.txt", "".join(f"{piece}\n" for piece in PIECES))
write("vocab.json", vocabulary)
write("merges.txt", merges)
(HERE / "model.safetensors").write_bytes(safetensors())

seed("safetensors", "good-one", safetensors())
seed("safetensors", "header-of-no-end", struct.pack("<Q", 2**64 - 1) + b"{}")
seed("safetensors", "header-alone", struct.pack("<Q", 2) + b"{}")
seed("safetensors", "cut", safetensors()[:-4])
lie = lambda field, value: lambda header: {
    name: tensor | ({field: value} if name == "classifier.bias" else {})
    for name, tensor in header.items()
}
seed("safetensors", "other-type", safetensors(lie("dtype", "I32")))
seed("safetensors", "huge-shape", safetensors(lie("shape", [2**63 - 1, 4])))
seed("safetensors", "backward", safetensors(lie("data_offsets", [8, 4])))
seed("pickle", "good-archive", archive())
seed("pickle", "archive-cut", archive()[:-9])
seed("pickle", "good-legacy", legacy())
seed("pickle", "legacy-cut", legacy()[:-9])
