"""The checkpoint and texts of every folder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import AutoModelForSequenceClassification

import plans
import tiny_tokenizers
from checkpoints import ENTITIES, SENTIMENTS, Checkpoint, cross_encoder, sentence_transformer

OLD_SIZES = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40}
SINGLE = "single_label_classification"
MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
BIOES = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-street-name", "E-street-name"]
BILOU = ["O", "B-PER", "I-PER", "L-PER", "U-PER", "LOC"]
ENTAILMENT = ["contradiction", "neutral", "entailment"]


@dataclass(frozen=True)
class Case:
    """The checkpoint and texts of a folder."""

    checkpoint: Checkpoint
    texts: list[plans.Text]


def case(architecture: str, task: str, seed: int, texts: list | None = None, **more) -> Case:
    """A case with the default texts and labels of the task."""
    default, labels = {
        "sequence": (plans.SEQUENCE, SENTIMENTS),
        "tokens": (plans.TOKENS, ENTITIES),
        "qa": (plans.QUESTIONS, None),
        "mlm": (plans.MASKS, None),
        "nsp": (plans.NEXT, None),
        "embed": (plans.SIMILAR, None),
    }[task]
    more.setdefault("labels", labels)
    return Case(Checkpoint(architecture, task, seed, **more), default if texts is None else texts)


def dense(inner: int, outer: int, activation, **more) -> dict:
    """A Dense module's arguments."""
    return {
        "in_features": inner,
        "out_features": outer,
        "activation_function": activation,
        **more,
    }


BERT_TINY = {
    "bert-tiny": case(
        "bert",
        "sequence",
        17,
        plans.EVERY,
        config={**OLD_SIZES, "problem_type": SINGLE},
        sharpness=1.0,
    ),
    "bert-tiny-multi-label": case(
        "bert",
        "sequence",
        2,
        plans.MULTI_LABEL,
        labels=["story", "actors", "music", "length"],
        config={**OLD_SIZES, "problem_type": "multi_label_classification"},
        sharpness=1.0,
    ),
    "bert-tiny-regression": case(
        "bert",
        "sequence",
        3,
        plans.REGRESSION,
        labels=["stars"],
        config={**OLD_SIZES, "problem_type": "regression"},
        sharpness=1.0,
    ),
}
SEQUENCES = {
    "distilbert-sequence": case("distilbert", "sequence", 21),
    "roberta-sequence": case("roberta", "sequence", 132),
    "xlm-roberta-sequence": case("xlm-roberta", "sequence", 23, config={"hidden_act": "relu"}),
    "camembert-sequence": case("camembert", "sequence", 132, config={"hidden_act": "silu"}),
    "electra-sequence": case("electra", "sequence", 138, config={"hidden_act": "gelu_new"}),
    "albert-sequence": case("albert", "sequence", 67),
    "mpnet-sequence": case("mpnet", "sequence", 27),
    "deberta-v2-sequence": case("deberta-v2", "sequence", 28),
    "deberta-v3-sequence": case(
        "deberta-v3", "sequence", 29, extra={"pos_att_type": "p2c|c2p"}
    ),
    # Only content to position, with separate projections and one embedding per distance.
    "deberta-c2p-sequence": case(
        "deberta-v3",
        "sequence",
        30,
        config={
            "share_att_key": False,
            "pos_att_type": ["c2p"],
            "position_buckets": -1,
            "norm_rel_ebd": "none",
            "pooler_hidden_act": "tanh",
        },
    ),
    # As microsoft/deberta-v2-xlarge: a convolution parallel to the first layer.
    "deberta-conv-sequence": case(
        "deberta-v3",
        "sequence",
        31,
        config={"share_att_key": False, "conv_kernel_size": 3, "conv_act": "gelu"},
    ),
    "modernbert-sequence": case("modernbert", "sequence", 32),
    "modernbert-mean-sequence": case(
        "modernbert",
        "sequence",
        33,
        config={"classifier_pooling": "mean", "num_hidden_layers": 3, "norm_bias": True},
        # As published with transformers 4.
        extra={
            "global_attn_every_n_layers": 3,
            "global_rope_theta": 160.0,
            "local_rope_theta": 10.0,
        },
        without=("layer_types", "rope_parameters"),
    ),
}
PAIRS = {
    "bert-nli": case(
        "bert",
        "sequence",
        41,
        plans.PAIRS,
        labels=ENTAILMENT,
        config={"hidden_act": "gelu_pytorch_tanh"},
    ),
    "roberta-cross-encoder": case(
        "roberta",
        "sequence",
        42,
        plans.ONE_LABEL,
        labels=["LABEL_0"],
        extra=cross_encoder("activation.Sigmoid"),
    ),
    "electra-cross-encoder": case(
        "electra",
        "sequence",
        43,
        plans.ONE_LABEL,
        labels=["LABEL_0"],
        config={"embedding_size": 20},
        extra=cross_encoder("linear.Identity"),
    ),
    "deberta-v2-nli": case("deberta-v2", "sequence", 44, plans.PAIRS, labels=ENTAILMENT),
    "deberta-v3-nli": case("deberta-v3", "sequence", 136, plans.PAIRS, labels=ENTAILMENT),
}
TOKENS = {
    "bert-tokens": case("bert", "tokens", 51, tokenizer=tiny_tokenizers.bert_cased),
    "distilbert-tokens": case("distilbert", "tokens", 52, config={"activation": "relu"}),
    "roberta-tokens": case("roberta", "tokens", 53),
    "xlm-roberta-tokens": case("xlm-roberta", "tokens", 54),
    "camembert-tokens": case("camembert", "tokens", 55),
    "electra-tokens": case("electra", "tokens", 56),
    "albert-tokens": case(
        "albert", "tokens", 68, config={"num_hidden_layers": 4, "num_hidden_groups": 2}
    ),
    "mpnet-tokens": case("mpnet", "tokens", 58),
    "deberta-v3-tokens": case("deberta-v3", "tokens", 59),
    "modernbert-tokens": case("modernbert", "tokens", 63),
    # Other tagging schemes, and a label with hyphens.
    "bert-bioes-tokens": case("bert", "tokens", 65, labels=BIOES),
    "roberta-bilou-tokens": case("roberta", "tokens", 66, labels=BILOU),
}
QUESTIONS = {
    "bert-qa": case("bert", "qa", 71),
    "distilbert-qa": case("distilbert", "qa", 72),
    "roberta-qa": case("roberta", "qa", 73),
    "xlm-roberta-qa": case("xlm-roberta", "qa", 74),
    "electra-qa": case("electra", "qa", 75),
    "albert-qa": case(
        "albert", "qa", 64, config={"num_hidden_layers": 2, "inner_group_num": 2}
    ),
    "mpnet-qa": case("mpnet", "qa", 77),
    "deberta-v3-qa": case("deberta-v3", "qa", 78),
    "modernbert-qa": case("modernbert", "qa", 79, config={"classifier_bias": True}),
}
MASKS = {
    "bert-mlm": case("bert", "mlm", 91, config={"hidden_act": "gelu_new"}),
    "distilbert-mlm": case("distilbert", "mlm", 92),
    "roberta-mlm": case("roberta", "mlm", 93, config={"hidden_act": "gelu_new"}),
    "xlm-roberta-mlm": case("xlm-roberta", "mlm", 94),
    "camembert-mlm": case("camembert", "mlm", 95),
    "electra-mlm": case("electra", "mlm", 96, config={"hidden_act": "relu"}),
    "albert-mlm": case("albert", "mlm", 67),
    "mpnet-mlm": case("mpnet", "mlm", 98),
    "deberta-v2-mlm": case("deberta-v2", "mlm", 99),
    "modernbert-mlm": case("modernbert", "mlm", 100),
}
# tokenizer_config.json, special_tokens_map.json and added_tokens.json that differ from
# tokenizer.json.
CASED = {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}
MARKS = {"<e1>": 197, "</e1>": 198}
MASK = {"content": "[MASK]", "lstrip": True, "rstrip": False, "single_word": False}


def unlisted(tokenizer: dict) -> dict:
    """A tokenizer.json without [MASK] in the added tokens."""
    kept = [token for token in tokenizer["added_tokens"] if token["content"] != "[MASK]"]
    return tokenizer | {"added_tokens": kept}


TOKENIZERS = {
    "bert-written-cased": case(
        "bert",
        "sequence",
        201,
        plans.WRITTEN,
        edits={"tokenizer_config.json": lambda config: config | CASED},
    ),
    "bert-written-marks": case(
        "bert",
        "sequence",
        202,
        plans.MARKED,
        config={"vocab_size": 199},
        edits={
            "tokenizer.json": unlisted,
            "tokenizer_config.json": lambda config: config | {"do_lower_case": True},
        },
        files={
            "special_tokens_map.json": {
                "mask_token": MASK,
                "additional_special_tokens": [*MARKS, "very"],
            },
            "added_tokens.json": MARKS,
        },
    ),
    "bert-general-nli": case(
        "bert",
        "sequence",
        203,
        plans.PAIRS[:2],
        labels=ENTAILMENT,
        tokenizer=tiny_tokenizers.bert_general,
    ),
    "albert-nli": case("albert", "sequence", 204, plans.PAIRS[:2], labels=ENTAILMENT),
    "roberta-written-prefix": case(
        "roberta",
        "sequence",
        205,
        plans.WRITTEN,
        edits={"tokenizer_config.json": lambda config: config | {"add_prefix_space": True}},
    ),
    "xlm-roberta-composing-tokens": case(
        "xlm-roberta", "tokens", 206, plans.COMPOSED, tokenizer=tiny_tokenizers.xlm_roberta_composing
    ),
}
OTHERS = {
    "bert-nsp": case("bert", "nsp", 111),
    "bert-embed": case("bert", "embed", 121, files=sentence_transformer("cls_token", False)),
    "roberta-embed": case(
        "roberta", "embed", 122, files=sentence_transformer("mean_tokens", False)
    ),
    "mpnet-embed": case("mpnet", "embed", 123, files=sentence_transformer("mean_tokens", True)),
    "distilbert-embed": case("distilbert", "embed", 124),
}
SENTENCES = {
    "bert-embed-dense": case(
        "bert",
        "embed",
        125,
        plans.SIMILAR_SHORT,
        modules=(
            ("Pooling", {"embedding_dimension": 20, "pooling_mode": "cls"}),
            ("Dense", {"in_features": 20, "out_features": 6}),
        ),
    ),
    "electra-embed-chain": case(
        "electra",
        "embed",
        126,
        plans.SIMILAR_SHORT,
        modules=(
            ("Pooling", {"embedding_dimension": 20, "pooling_mode": MODES}),
            ("Dense", dense(120, 17, torch.nn.GELU(), use_residual=True)),
            ("LayerNorm", {"dimension": 17}),
            ("Dense", dense(17, 17, torch.nn.Sigmoid(), use_residual=True)),
            ("Dense", dense(17, 9, torch.nn.Identity(), bias=False)),
            ("Normalize", {}),
        ),
    ),
    "bert-rerank": case(
        "bert",
        "embed",
        127,
        plans.ONE_LABEL,
        kind="CrossEncoder",
        modules=(
            ("Pooling", {"embedding_dimension": 20, "pooling_mode": "mean"}),
            ("Dense", dense(20, 20, torch.nn.SiLU(), bias=False)),
            ("LayerNorm", {"dimension": 20}),
            ("Dense", dense(20, 1, torch.nn.Identity(), module_output_name="scores")),
        ),
    ),
}
ADAPTERS = {
    "bert-lora-sequence": case(
        "bert",
        "sequence",
        141,
        plans.ADAPTED,
        adapter={
            "base": "bert-tiny",
            "auto": AutoModelForSequenceClassification,
            "task_type": "SEQ_CLS",
            "r": 4,
            "lora_alpha": 8,
            "target_modules": ["query", "value", "dense"],
            "modules_to_save": ["classifier"],
        },
    ),
    "modernbert-lora-sequence": case(
        "modernbert",
        "sequence",
        142,
        plans.ADAPTED,
        adapter={
            "base": "modernbert-sequence",
            "auto": AutoModelForSequenceClassification,
            "task_type": "SEQ_CLS",
            "r": 4,
            "lora_alpha": 2,
            "use_rslora": True,
            "alpha_pattern": {"Wo": 4},
            "target_modules": ["Wqkv", "Wo", "Wi"],
        },
    ),
}
CASES = {
    **SEQUENCES,
    **PAIRS,
    **TOKENS,
    **QUESTIONS,
    **MASKS,
    **TOKENIZERS,
    **OTHERS,
    **SENTENCES,
    **BERT_TINY,
    **ADAPTERS,  # of folders above
}
