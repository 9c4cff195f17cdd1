"""Write sentences.json: results of sentence-transformers for variants of its configuration files.

    python make_sentences.py

A variant is a copy of a golden folder with other files. The results are those of `encode` and
`predict` in float64: pooling and truncation are the library's.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch

import modules

HERE = Path(__file__).parent
PAIRS = [("A really good movie.", "This film was great!"), ("great", "bad")]
TRANSFORMER = "sentence_transformers.models.Transformer"
POOLING = ("1_Pooling", "sentence_transformers.models.Pooling")
PROMPT = {"prompts": {"query": "this film was: "}, "default_prompt_name": "query"}
SCORES = {
    "transformer_task": "sequence-classification",
    "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
    "module_output_name": "scores",
}


def chain(*entries: tuple[str, str]) -> list[dict]:
    """modules.json"""
    return [
        {"idx": index, "name": str(index), "path": path, "type": kind}
        for index, (path, kind) in enumerate([("", TRANSFORMER), *entries])
    ]


def pooled(config: dict, *more: tuple[str, str], **files) -> dict:
    """The files of an encoder with this pooling."""
    return {
        "modules.json": chain(POOLING, *more),
        "1_Pooling/config.json": {"word_embedding_dimension": 20, **config},
        **files,
    }


def scored(model: dict, **files) -> dict:
    """The files of a cross-encoder."""
    return {
        "modules.json": chain(),
        "config_sentence_transformers.json": {"model_type": "CrossEncoder", **model},
        "sentence_bert_config.json": SCORES,
        **files,
    }


def prompted(config: dict) -> dict:
    """The files of an encoder with this pooling and a prompt."""
    return pooled(config, **{"config_sentence_transformers.json": PROMPT})


def settings(**own) -> dict:
    """The files of an encoder with mean pooling and these transformer settings."""
    return pooled({"pooling_mode": "mean"}, **{"sentence_bert_config.json": own})


def activation(name: str) -> dict:
    """A cross-encoder's activation as newer versions write it."""
    return {"activation_fn": f"torch.nn.modules.{name}"}


MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
NORMALIZE = ("2_Normalize", "sentence_transformers.models.Normalize")
VARIANTS = {
    **{f"mode {mode}": ("bert-embed", pooled({"pooling_mode": mode})) for mode in MODES},
    "modes listed": ("roberta-embed", pooled({"pooling_mode": ["mean", "cls", "max"]})),
    "flags of two": (
        "roberta-embed",
        pooled({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}),
    ),
    "flags of others": (
        "roberta-embed",
        pooled({"pooling_mode_weightedmean_tokens": True, "pooling_mode_lasttoken": True}),
    ),
    "no flag": ("bert-embed", pooled({"pooling_mode_cls_token": False})),
    "normalized": ("bert-embed", pooled({"pooling_mode": "max"}, NORMALIZE)),
    "no modules": ("distilbert-embed", {}),
    "prompt": ("bert-embed", prompted({"pooling_mode": "mean"})),
    **{
        f"prompt left out of {mode}": (
            "roberta-embed" if mode == "weightedmean" else "bert-embed",
            prompted({"pooling_mode": mode, "include_prompt": False}),
        )
        for mode in MODES
    },
    "limit": ("bert-embed", settings(max_seq_length=5)),
    "limit above the tokenizer's": ("bert-embed", settings(max_seq_length=4000)),
    "limit of the tokenizer's arguments": (
        "bert-embed",
        settings(max_seq_length=7, tokenizer_args={"model_max_length": 4}),
    ),
    "cased": ("bert-tokens", settings(do_lower_case=False)),
    "lower case": ("bert-tokens", settings(do_lower_case=True)),
    "identity": ("roberta-cross-encoder", scored(activation("linear.Identity"))),
    "sigmoid": ("electra-cross-encoder", scored(activation("activation.Sigmoid"))),
    "config.json's": ("electra-cross-encoder", scored({})),
    "several without one": ("bert-nli", scored({})),
    "softmax": ("bert-nli", scored(activation("activation.Softmax"))),
    "prompt before the first": ("bert-nli", scored(PROMPT)),
}


def answers(folder: Path) -> list[dict]:
    """The library's results for every pair."""
    model = modules.load(folder)
    if modules.kind_of(folder) == "CrossEncoder":
        scores = [model.predict([pair], convert_to_numpy=False)[0] for pair in PAIRS]
        return [{"scores": score.double().flatten().tolist()} for score in scores]

    def embedding(text: str) -> torch.Tensor:
        return model.encode([text], convert_to_tensor=True)[0].double()

    embedded = [tuple(map(embedding, pair)) for pair in PAIRS]
    return [
        {
            "embedding": a.tolist(),
            "embedding_pair": b.tolist(),
            "cosine": torch.cosine_similarity(a, b, dim=0, eps=0.0).item(),
        }
        for a, b in embedded
    ]


def variant(folder: str, files: dict) -> list[dict]:
    """The results of a copy of `folder` with other files."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "model"
        shutil.copytree(HERE / folder, copy)
        for path, values in files.items():
            (copy / path).parent.mkdir(exist_ok=True)
            modules.write_json(copy / path, values)
        return answers(copy)


def main() -> None:
    """Write all variants."""
    torch.set_num_threads(1)
    variants = [
        {
            "name": name,
            "folder": folder,
            "files": files,
            "cases": [
                {"text": text, "text_pair": pair, **answer}
                for (text, pair), answer in zip(PAIRS, variant(folder, files), strict=True)
            ],
        }
        for name, (folder, files) in VARIANTS.items()
    ]
    made_with = {name: version(name) for name in ("torch", "transformers", "sentence-transformers")}
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in variants)
    (HERE / "sentences.json").write_text(
        f'{{\n"made_with": {json.dumps(made_with)},\n"variants": [\n{lines}\n]\n}}\n',
        encoding="utf-8",
    )
    print(f"{len(variants)} variants")


if __name__ == "__main__":
    main()
