"""A tokenizer of each architecture's own class, over a tiny vocabulary.

Special tokens have the ids and the template of the architecture's published checkpoints, except
that the WordPiece of BERT, DistilBERT and ELECTRA puts [UNK] at 0 and [PAD] at 1, so that the
baselines pad_all and zero_ids differ.
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
    """Lower-casing WordPiece; the second text has type 1. ELECTRA's is the same class."""
    return BertTokenizer(vocab=wordpiece(BERT_SPECIAL, []), do_lower_case=True, **LIMIT)


def bert_cased() -> BertTokenizer:
    """Cased WordPiece, which keeps accents: capitals and é are unknown here."""
    return BertTokenizer(vocab=wordpiece(BERT_SPECIAL, []), do_lower_case=False, **LIMIT)


def distilbert() -> DistilBertTokenizer:
    """BERT's, whose types the model does not take."""
    return DistilBertTokenizer(vocab=wordpiece(BERT_SPECIAL, []), do_lower_case=True, **LIMIT)


def mpnet() -> MPNetTokenizer:
    """WordPiece with RoBERTa's special tokens and template; <mask> takes the space before it."""
    vocabulary = wordpiece(["<s>", "<pad>", "</s>", "<unk>", "[UNK]"], ["<mask>"])
    return MPNetTokenizer(vocab=vocabulary, do_lower_case=True, **LIMIT)


def roberta() -> RobertaTokenizer:
    """Byte-level BPE, <s> A </s></s> B </s>; <mask> takes the space before it."""
    return RobertaTokenizer(
        vocab=byte_pieces(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"]),
        merges=byte_merges(),
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        **LIMIT,
    )


def xlm_roberta() -> XLMRobertaTokenizer:
    """Unigram, RoBERTa's template. Published ones have sentencepiece's normalizer as well."""
    first = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return XLMRobertaTokenizer(
        vocab=unigram(first, ["<mask>"]),
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        **LIMIT,
    )


def camembert() -> CamembertTokenizer:
    """Unigram, RoBERTa's template, with CamemBERT's ids: <s> is 5 and </s> is 6."""
    first = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"]
    scores = [0.0, 0.0, 0.0, 0.0, -100.0, 0.0, 0.0]
    return CamembertTokenizer(
        vocab=unigram(list(zip(first, scores, strict=True)), ["<mask>"]), **LIMIT
    )


def albert() -> AlbertTokenizer:
    """Unigram that lower-cases and removes accents, BERT's template; <pad> is 0."""
    first = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    return AlbertTokenizer(
        vocab=unigram([(piece, 0.0) for piece in first], []),
        mask_token=AddedToken("[MASK]", lstrip=True, special=True),
        **LIMIT,
    )


def general(made) -> PreTrainedTokenizerFast:
    """What a tokenizer's own file says, without its class."""
    names = {name: str(token) for name, token in made.special_tokens_map.items()}
    return PreTrainedTokenizerFast(tokenizer_object=made.backend_tokenizer, **names, **LIMIT)


def bert_general() -> PreTrainedTokenizerFast:
    """BERT's template with types, which the general class does not give to a model."""
    return general(bert())


def xlm_roberta_composing() -> PreTrainedTokenizerFast:
    """XLM-RoBERTa's after NFKC, as sentencepiece's own normalization composes."""
    made = xlm_roberta()
    made.backend_tokenizer.normalizer = normalizers.NFKC()
    return general(made)


def deberta() -> DebertaV2Tokenizer:
    """Unigram, cased, BERT's template; [PAD] is 0 and [MASK] the last."""
    first = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    return DebertaV2Tokenizer(
        vocab=unigram([(piece, 0.0) for piece in first], ["[MASK]"]), **LIMIT
    )


def modernbert() -> PreTrainedTokenizerFast:
    """Byte-level BPE after NFC, two spaces as a token; special tokens come last."""
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
