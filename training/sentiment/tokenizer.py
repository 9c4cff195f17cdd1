"""Tokenizers: a WordPiece vocabulary in the plain BERT arrangement."""

from collections import Counter

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Quotation marks, dashes and currency that everyday text has besides ASCII.
EXTRA = list("“”‘’—–…£€¥°") + list("。，！？、；：（）《》～")


def build(vocabulary: list[str]) -> Tokenizer:
    """A lower-casing BERT tokenizer over `vocabulary` (special pieces are put first)."""
    pieces = SPECIAL + [piece for piece in dict.fromkeys(vocabulary) if piece not in SPECIAL]
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def wrap(tokenizer: Tokenizer, max_length: int) -> PreTrainedTokenizerFast:
    """The same tokenizer as a transformers object, for encoding and checking."""
    names = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], SPECIAL))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length, **names)


def characters(texts: list[str], at_least: int) -> list[str]:
    """The pieces of a character vocabulary, most frequent first.

    CJK characters become words of their own; words of other scripts keep their letters
    as `x` and `##x` pieces, and frequent whole words get a piece too."""
    normalizer = normalizers.BertNormalizer(lowercase=True)
    pre = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in pre.pre_tokenize_str(normalizer.normalize_str(text)))
    singles = Counter({word: n for word, n in words.items() if len(word) == 1})
    for word, n in words.items():
        if len(word) > 1:
            singles[word[0]] += n
    ascii_pieces = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    letters = [f"##{c}" for c in ascii_pieces if c.isalnum()]
    common = [piece for piece, n in singles.most_common() if n >= at_least]
    whole = [word for word, n in words.most_common() if n >= 30 and 1 < len(word) <= 12 and word.isascii()]
    return list(dict.fromkeys(ascii_pieces + letters + EXTRA + common + whole))


def subset(counts: Counter[str], wanted: set[str], order: list[str], size: int) -> list[str]:
    """Choose `size` of a larger vocabulary's pieces (`order`: that vocabulary by rank).

    `wanted` pieces come first; the rest are chosen by their counts in the texts, with a
    small credit for a high rank, so that everyday words the texts lack get in as well."""
    basic = {p for p in order if len(p.removeprefix("##")) == 1 and p.isascii()}
    basic |= set(EXTRA) & set(order)
    chosen = basic | (wanted & set(order))
    rank = {piece: i for i, piece in enumerate(order)}
    score = {p: counts[p] + max(0.0, 6 - rank[p] / 1500) for p in order if not p.startswith("[")}
    for piece in sorted(score, key=lambda p: -score[p]):
        if len(chosen) >= size:
            break
        chosen.add(piece)
    return sorted(chosen, key=rank.__getitem__)
