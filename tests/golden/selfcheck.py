"""Checks of golden values by independent means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from captum.attr import FeatureAblation, IntegratedGradients, LayerIntegratedGradients
from tokenizers import Tokenizer
from transformers import FillMaskPipeline

import exact
from methods import BASELINES, LAYERS, integrated_gradients
from reference import Reference
from tasks import Encoder, MaskedLM

LIMITS = {
    "attention rows sum to 1": 1e-12,
    "tokenizer.json by itself gives other ids": 0.5,
    "zero baseline by hook = by inputs_embeds": 1e-12,
    "delta = sum(token) - (output - baseline)": 1e-12,
    "integrals = Captum's own, relative": 1e-6,
    "Captum's delta, relative": 1e-6,
    "occlusion = Captum's feature ablation": 1e-12,
    "completeness at n = 200": 1e-3,
    "fill-mask pipeline": 1e-15,
    "transformers' own ModernBERT, relative": 1e-5,
    "ModernBERT sees within its windows and no further": 0.5,
    "positions that change nothing": 0.5,
}


def check(folder: Path | None, reference: Reference, cases: list[dict]) -> dict[str, float]:
    """The largest error by name over the texts of a golden.json; checks that do not apply are
    omitted. `folder` is None if tokenizer.json alone does not define the tokenizer."""
    largest = {}
    for number, case in enumerate(cases):
        for name, error in errors(folder, reference, case, first=number == 0):
            assert error < LIMITS[name], f"{case['text']}: {name}: {error}"
            largest[name] = max(largest.get(name, 0.0), error)
    return largest


def errors(folder: Path | None, reference: Reference, case: dict, first: bool):
    """(name, error) for one text."""
    texts = encoded_texts(reference, case)
    explained = [(texts[e["target"].get("cosine", "text")], e) for e in case["explanations"]]
    integrals = [pair for pair in explained if pair[1]["method"] == "integrated_gradients"]
    occlusions = [pair for pair in explained if pair[1]["method"] == "occlusion"]
    captum = [by_captum(reference, *pair) for pair in integrals]
    deltas = [delta for _, delta in captum if delta is not None]
    text = texts["text"]

    if case["attentions"]:
        rows = double(case["attentions"]).sum(-1)
        yield "attention rows sum to 1", (rows - 1).abs().max().item()
    if folder:
        yield "tokenizer.json by itself gives other ids", float(other_ids(folder, case))
    error = max(wrapped_zero(reference, *pair) for pair in integrals)
    yield "zero baseline by hook = by inputs_embeds", error
    error = max(delta_formula(integral) for _, integral in integrals)
    yield "delta = sum(token) - (output - baseline)", error
    yield "integrals = Captum's own, relative", max(error for error, _ in captum)
    if deltas:
        yield "Captum's delta, relative", max(deltas)
    if occlusions:
        error = max(by_ablation(reference, *pair) for pair in occlusions)
        yield "occlusion = Captum's feature ablation", error
    if reference.model.config.model_type == "modernbert":
        yield "transformers' own ModernBERT, relative", by_transformers(reference, text)
        wrong = float(wrong_windows(reference, text))
        yield "ModernBERT sees within its windows and no further", wrong
    if first:
        yield "completeness at n = 200", completeness(reference, *explained[0])
        yield "positions that change nothing", float(idle_positions(reference, text))
        if isinstance(reference.task, MaskedLM):
            yield "fill-mask pipeline", by_pipeline(reference, case)


def encoded_texts(reference: Reference, case: dict) -> dict:
    """The encoded texts, by the names in targets."""
    if not isinstance(reference.task, Encoder):
        return {"text": reference.encode(case["text"], case["text_pair"])}
    ours, other = (double(case[f"embedding{suffix}"]) for suffix in ("", "_pair"))
    return {
        "text": replace(reference.encode(case["text"]), against=other),
        "text_pair": replace(reference.encode(case["text_pair"]), against=ours),
    }


def double(values: list) -> torch.Tensor:
    """A float64 tensor of numbers."""
    return torch.tensor(values, dtype=torch.float64)


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max |a - b| / max |b|"""
    return ((a - b).abs().max() / b.abs().max()).item()


def other_ids(folder: Path, case: dict) -> bool:
    """Whether the tokenizers library, with only the file, gives other ids or offsets."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if "input_ids_pair" in case:
        texts = [(case["text"], ""), (case["text_pair"], "_pair")]
        return any(tokenizer.encode(t).ids != case[f"input_ids{suffix}"] for t, suffix in texts)
    encoding = tokenizer.encode(case["text"], case["text_pair"])
    pairs = zip(encoding.offsets, case["offsets"], strict=True)
    elsewhere = any(own[0] != whole[0] or own[1] > whole[1] for own, whole in pairs)
    return encoding.ids != case["input_ids"] or elsewhere


def wrapped_zero(reference: Reference, encoded, explanation: dict) -> float:
    """The zero baseline by the model's `inputs_embeds`, compared with the hooks of `Reference`."""
    output, target = explanation["output"], explanation["target"]
    choose = reference.task.chooser(reference, encoded, output, target)
    types = {"token_type_ids": encoded.token_type_ids} if reference.takes_types else {}

    def from_words(hidden):
        rows = hidden.shape[0]
        more = {name: values.expand(rows, -1) for name, values in types.items()}
        mask = encoded.attention_mask.expand(rows, -1)
        return choose(reference.model(inputs_embeds=hidden, attention_mask=mask, **more))

    hidden = reference.activation("word_embeddings", encoded)
    wrapped = IntegratedGradients(from_words).attribute(hidden, n_steps=1).sum(-1)[0]
    method = integrated_gradients("word_embeddings", "zero", n_steps=1)
    hooked = reference.explain(encoded, *method, output, target)["token"]
    return (wrapped - double(hooked)).abs().max().item()


def delta_formula(explanation: dict) -> float:
    """The convergence delta compared with its formula."""
    rise = explanation["output_value"] - explanation["baseline_value"]
    return abs(sum(explanation["token"]) - rise - explanation["convergence_delta"])


def by_captum(reference: Reference, encoded, explanation: dict) -> tuple[float, float | None]:
    """Captum's own integral, and its delta if its baseline value is that of the path's start: at
    the word embeddings, it is the model's output for the baseline's ids."""
    options = explanation["options"]
    layer, baseline = options["layer"], options["baseline"]
    function = reference.scalar(encoded, explanation["output"], explanation["target"])
    input_ids, *rest = encoded.model_args
    how = {
        "n_steps": options["n_steps"],
        "method": options["quadrature"],
        "return_convergence_delta": True,
    }
    if baseline == "zero":
        hidden = reference.activation(layer, encoded)
        replaced = IntegratedGradients(reference.from_layer(layer, function))
        attribution, delta = replaced.attribute(
            hidden, torch.zeros_like(hidden), additional_forward_args=encoded.model_args, **how
        )
    else:
        ids = reference.replaced_ids(encoded, baseline)
        attribution, delta = LayerIntegratedGradients(
            function, reference.layers[layer]
        ).attribute(input_ids, ids, additional_forward_args=tuple(rest), **how)
    error = relative(attribution.sum(-1)[0].detach(), double(explanation["token"]))
    same_start = layer == "embeddings" or baseline == "zero"
    scale = sum(map(abs, explanation["token"]))
    gap = abs(delta.item() - explanation["convergence_delta"]) / scale
    return error, gap if same_start else None


def by_ablation(reference: Reference, encoded, explanation: dict) -> float:
    """Captum's feature ablation with one feature per token, except special tokens."""
    function = reference.scalar(encoded, explanation["output"], explanation["target"])
    ids = reference.replaced_ids(encoded, explanation["options"]["replacement"])
    words = reference.layers["word_embeddings"]
    features = torch.arange(ids.shape[1])[None, :, None]
    attribution = FeatureAblation(reference.from_layer("word_embeddings", function)).attribute(
        words(encoded.input_ids),
        baselines=words(ids),
        feature_mask=features,
        additional_forward_args=encoded.model_args,
    )[0, :, 0]
    return (attribution - double(explanation["token"])).abs().max().item()


def completeness(reference: Reference, encoded, explanation: dict) -> float:
    """The largest delta of 200 Gauss-Legendre steps, over layers and baselines.

    Excluded: ReLU (also in the head of DistilBERT's classifier), whose gradient is discontinuous,
    and the zero vector directly before a LayerNorm, which is discontinuous at 0: at the word
    embeddings without positions, and everywhere in ModernBERT.
    """
    config = reference.model.config
    activation = getattr(config, "activation", getattr(config, "hidden_act", "gelu"))
    kinked = activation == "relu" or hasattr(reference.model, "pre_classifier")
    kinked = kinked or getattr(reference.task, "kinked", False)
    bare = {
        "word_embeddings": not getattr(config, "position_biased_input", True),
        "embeddings": False,
    }
    if config.model_type == "modernbert":
        bare = dict.fromkeys(LAYERS, True)
    deltas = [0.0]
    for layer in LAYERS:
        for baseline in BASELINES:
            if kinked or (baseline == "zero" and bare[layer]):
                continue
            method = integrated_gradients(layer, baseline, n_steps=200)
            answer = reference.explain(encoded, *method, "logit", explanation["target"])
            deltas.append(abs(answer["convergence_delta"]))
    return max(deltas)


def by_pipeline(reference: Reference, case: dict) -> float:
    """The scores of the fill-mask pipeline; the tokens must be the same."""
    pipeline = FillMaskPipeline(
        model=reference.model, tokenizer=reference.tokenizer, device="cpu"
    )
    with torch.no_grad():
        answers = pipeline(case["text"])
    answers = answers if isinstance(answers[0], list) else [answers]
    largest = 0.0
    for mask, answer in zip(case["masks"], answers, strict=True):
        for ours, theirs in zip(mask["fill"], answer, strict=True):
            assert all(ours[name] == theirs[name] for name in ("token", "token_str"))
            largest = max(largest, abs(ours["score"] - theirs["score"]))
    return largest


def by_transformers(reference: Reference, encoded) -> float:
    """Predictions with transformers' own float32 softmax and rotation."""
    ours, _ = reference.predict(encoded)
    with exact.transformers_own():
        theirs, _ = reference.predict(encoded)
    return max(relative(theirs[name], values) for name, values in ours.items() if len(values))


def wrong_windows(reference: Reference, encoded) -> bool:
    """Whether the nonzero weights of a sliding layer differ from those within half the window."""
    config = reference.model.config
    _, attentions = reference.predict(encoded)
    positions = torch.arange(attentions.shape[-1])
    near = (positions[:, None] - positions).abs() <= config.local_attention // 2
    return any(
        ((weights > 0) != (near | (kind == "full_attention"))).any().item()
        for kind, weights in zip(config.layer_types, attentions, strict=True)
    )


def idle_positions(reference: Reference, encoded) -> bool:
    """Whether removing relative positions changes attention weights by less than 0.01."""
    model, config = reference.model, reference.model.config
    _, attentions = reference.predict(encoded)
    weights = [
        parameter
        for name, parameter in model.named_parameters()
        if "rel_embeddings" in name or "relative_attention_bias" in name
    ]
    saved = [weight.clone() for weight in weights]
    window = getattr(config, "local_attention", None)
    try:
        for weight in weights:
            weight.zero_()
        if window:
            config.local_attention = 1000
        elif not weights:
            return False
        _, without = reference.predict(encoded)
    finally:
        for weight, values in zip(weights, saved, strict=True):
            weight.copy_(values)
        if window:
            config.local_attention = window
    return (attentions - without).abs().max().item() < 0.01
