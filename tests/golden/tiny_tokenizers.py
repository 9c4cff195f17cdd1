"""Tokenizers of each architecture's class with a tiny vocabulary.

Special tokens have the ids and template of published checkpoints of the architecture, except that
[UNK] is 0 and [PAD] is 1 in the WordPiece of BERT, DistilBERT and ELECTRA, so that the baselines
pad_all and zero_ids differ.
"""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors
from transformers import (
    AlbertTokenizer,
    BertTokenizer,
    CamembertTokenizer,
    DebertaV2Tokenizer,
    DistilBertTokenizer,
    MPNetTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from vocabulary import byte_merges, byte_pieces, unigram, wordpiece

MAX_TOKENS = 40
BERT_SPECIAL = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
LIMIT = {"model_max_length": MAX_TOKENS}


def bert() -> BertTokenizer:
    """Lower-casing WordPiece; the second text has type 1. ELECTRA uses the same class."""
    return BertTokenizer(vocab=wordpiece(BERT_SPECIAL, []), do_lower_case=True, **LIMIT)


def bert_cased() -> BertTokenizer:
    """Cased WordPiece, which keeps accents: capitals and é are unknown here."""
    return BertTokenizer(vocab=wordpiece(BERT_SPECIAL, []), do_lower_case=False, **LIMIT)


def distilbert() -> DistilBertTokenizer:
    """BERT's; the model has no types."""
    return DistilBertTokenizer(vocab=wordpiece(BERT_SPECIAL, []), do_lower_case=True, **LIMIT)


def mpnet() -> MPNetTokenizer:
    """WordPiece with RoBERTa's special tokens and template; <mask> includes the space before it."""
    vocabulary = wordpiece(["<s>", "<pad>", "</s>", "<unk>", "[UNK]"], ["<mask>"])
    return MPNetTokenizer(vocab=vocabulary, do_lower_case=True, **LIMIT)


def roberta() -> RobertaTokenizer:
    """Byte-level BPE, <s> A </s></s> B </s>; <mask> includes the space before it."""
    return RobertaTokenizer(
        vocab=byte_pieces(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"]),
        merges=byte_merges(),
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        **LIMIT,
    )


def xlm_roberta() -> XLMRobertaTokenizer:
    """Unigram with RoBERTa's template, without the sentencepiece normalizer of published ones."""
    first = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return XLMRobertaTokenizer(
        vocab=unigram(first, ["<mask>"]),
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        **LIMIT,
    )


def camembert() -> CamembertTokenizer:
    """Unigram with RoBERTa's template and CamemBERT's ids: <s> is 5 and </s> is 6."""
    first = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"]
    scores = [0.0, 0.0, 0.0, 0.0, -100.0, 0.0, 0.0]
    return CamembertTokenizer(
        vocab=unigram(list(zip(first, scores, strict=True)), ["<mask>"]), **LIMIT
    )


def albert() -> AlbertTokenizer:
    """Unigram with lower-casing, accent removal and BERT's template; <pad> is 0."""
    first = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    return AlbertTokenizer(
        vocab=unigram([(piece, 0.0) for piece in first], []),
        mask_token=AddedToken("[MASK]", lstrip=True, special=True),
        **LIMIT,
    )


def general(made) -> PreTrainedTokenizerFast:
    """The tokenizer.json of a tokenizer with the generic class."""
    names = {name: str(token) for name, token in made.special_tokens_map.items()}
    return PreTrainedTokenizerFast(tokenizer_object=made.backend_tokenizer, **names, **LIMIT)


def bert_general() -> PreTrainedTokenizerFast:
    """BERT's template with types, which the generic class does not pass to the model."""
    return general(bert())


def xlm_roberta_composing() -> PreTrainedTokenizerFast:
    """XLM-RoBERTa's with NFKC, which composes characters like sentencepiece's normalizer."""
    made = xlm_roberta()
    made.backend_tokenizer.normalizer = normalizers.NFKC()
    return general(made)


def deberta() -> DebertaV2Tokenizer:
    """Cased unigram with BERT's template; [PAD] is 0 and [MASK] the last id."""
    first = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    return DebertaV2Tokenizer(
        vocab=unigram([(piece, 0.0) for piece in first], ["[MASK]"]), **LIMIT
    )


def modernbert() -> PreTrainedTokenizerFast:
    """Byte-level BPE with NFC and a token of two spaces; special tokens are last."""
    pieces = byte_pieces([], ["  ", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=byte_merges()))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("  ", special=False, normalized=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(piece, pieces[piece]) for piece in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token=AddedToken("[MASK]", lstrip=True, special=True),
        model_input_names=["input_ids", "attention_mask"],
        **LIMIT,
    )
