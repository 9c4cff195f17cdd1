"""Random methods with cheap options."""


def pick(rng, **choices):
    """Returns a random subset of the options, each with one of its values."""
    return {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.6}


def method(rng):
    """Returns a random method with some of its options."""
    norm = ("l1", "l2", "mean")
    baseline = ("pad", "pad_all", "mask", "zero_ids", "zero", {"text": "bad film"})
    units = {"unit": ("token", "word", "sentence"), "replacement": ("mask", "pad", "remove")}
    evals = {**units, "max_evals": (4, 17, 40, 90)}
    samples = {"n_samples": (1, 5, 20), "noise_level": (0, 0.1, 2)}
    quadrature = ("gausslegendre", "riemann_left", "riemann_middle", "riemann_trapezoid")
    layer = ("word_embeddings", "embeddings")
    name, choices = rng.choice((
        ("integrated_gradients", {"baseline": baseline, "layer": layer, "tolerance": (0.01, 0.2)}),
        ("integrated_gradients", {"n_steps": (1, 8, 30), "baseline": baseline}),
        ("integrated_gradients", {"quadrature": quadrature}),
        ("saliency", {"norm": norm}),
        ("input_x_gradient", {}),
        ("smooth_grad", {**samples, "norm": norm}),
        ("gradient_shap", {**samples, "baseline": baseline}),
        ("occlusion", units),
        ("lime", evals),
        ("kernel_shap", evals),
        ("partition_shap", evals),
        ("shapley_interactions", evals),
        ("attention_rollout", {}),
        ("attention_flow", {}),
        ("attention_gradient", {}),
        ("attention_norm", {"layer": ("last", "mean")}),
    ))
    options = pick(rng, **choices)
    # Always set: the defaults cost hundreds of rows.
    options |= {k: rng.choice(choices[k]) for k in ("max_evals",) if k in choices}
    return {"name": name, **options} if options or rng.random() < 0.5 else name
