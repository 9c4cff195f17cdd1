"""The texts of each task, and their explanations."""

from __future__ import annotations

from dataclasses import dataclass

from methods import BASELINES, LAYERS, NORMS, QUADRATURES, REPLACEMENTS, integrated_gradients
from vocabulary import FILLING

SALIENCIES = [("saliency", {"norm": norm}) for norm in NORMS]
SMALL = [
    ("saliency", {"norm": "l2"}),
    ("input_x_gradient", {}),
    integrated_gradients("word_embeddings", n_steps=20),
]
BASIC = [
    *SALIENCIES,
    ("input_x_gradient", {}),
    *(integrated_gradients(layer, n_steps=20) for layer in LAYERS),
]
OCCLUSIONS = [("occlusion", {"unit": "token", "replacement": replacement}) for replacement in REPLACEMENTS]
WIDE = [
    *SALIENCIES,
    ("input_x_gradient", {}),
    *(integrated_gradients(layer, base, n_steps=20) for layer in LAYERS for base in BASELINES),
    integrated_gradients("embeddings", "zero", "riemann_middle", 9),
    *OCCLUSIONS,
]


@dataclass(frozen=True)
class Text:
    """A text or a pair, and its explanations.

    A plan is a list of (methods, output, target); an integer target is an index of the task's
    `targets`. "{mask}" is replaced by the mask token.
    """

    text: str
    text_pair: str | None = None
    plan: tuple = ((SMALL, "logit", 0),)
    attentions: bool = True  # for a short text
    always: bool = False  # for a long text too
    filled: bool = False  # fill the (second) text with words up to the limit

    def read(self, reference) -> tuple[str, str | None]:
        """The two texts for a model."""
        mask = reference.tokenizer.mask_token
        texts = [
            text and text.replace("{mask}", mask) for text in (self.text, self.text_pair)
        ]
        last = 0 if self.text_pair is None else 1
        number = 0
        while self.filled:
            longer = [*texts]
            longer[last] += " " + FILLING[number % len(FILLING)]
            if len(reference.encode(*longer).tokens) > reference.max_tokens:
                break
            texts, number = longer, number + 1
        return tuple(texts)


FULL_LENGTH = Text(" ".join(FILLING), attentions=False, filled=True)
WIDELY = (
    (WIDE, "logit", 0),
    (BASIC, "logit", 1),
    (BASIC, "probability", 0),
)
CONTRAST = {"contrast": [0, 2]}
SENTENCE = "This movie is really great, but the plot was dull."
MIXED = "这部movie真的好看,I'm loving it 100%!"

SEQUENCE = [
    Text(SENTENCE, plan=(*WIDELY, (BASIC, "logit", CONTRAST))),
    Text("Café — GREAT!! 😀 ok"),
    Text("Cafe\u0301  nai\u0308ve\tmovies", attentions=False),
    Text("这部电影真的很棒"),
    Text(MIXED, plan=((BASIC, "logit", 1),), attentions=False),
    Text("Is this movie good?", "It was the best film.", plan=((BASIC, "logit", 0),)),
    Text("great"),
    FULL_LENGTH,
]
PAIRS = [
    Text("Is this movie good?", "It was the best film.", plan=WIDELY),
    Text("这部电影不好", "He never liked the end 😀"),
    Text("good", "bad"),
    Text("Who made it?", "the", attentions=False, filled=True),
]
# With one label, there is only the first target.
ONE_LABEL = [
    Text(
        "Is this movie good?",
        "It was the best film.",
        plan=((WIDE, "logit", 0), (BASIC, "probability", 0)),
    ),
    *PAIRS[1:],
]
TOKENS = [
    Text("The actor made the best film in 2 days.", plan=WIDELY),
    Text("Cafe\u0301 这部电影 GREAT 😀 movies"),
    Text("great"),
    FULL_LENGTH,
]
# For changes by the configuration files of a tokenizer.
WRITTEN = [
    Text("This Film was naïve", plan=((SMALL, "logit", 0),)),
    Text("good film"),
    Text("Cafe\u0301 这部电影 GREAT", attentions=False),
    Text("Is this Movie good?", "它是 THE best."),
]
MARKED = [
    Text("the <e1>actor</e1>s made [MASK] very good films", plan=((SMALL, "logit", 0),)),
    Text("films <E1> <e1>great", attentions=False),
    Text("is <e1>it</e1> good?", "the [MASK]", attentions=False),
]
COMPOSED = [
    Text("de\u0301ja\u0300 good end", plan=((SMALL, "logit", 0),)),
    Text("\u1100\u1161\u110b\u1173\u11af good", attentions=False),
    Text("good！…film ﬁlm ½ ①", attentions=False),
    Text("good cafe\u0301\u0323", attentions=False),
]
QUESTIONS = [
    Text("What was good?", "The film was very good, and this movie is great.", plan=WIDELY),
    Text("这部电影好看?", "这部movie真的很棒 😀", plan=((BASIC, "logit", 1),)),
    Text("who", "you"),
    Text("Who made it?", "the", attentions=False, filled=True),
]
MASKS = [
    Text("This movie is {mask}, but the {mask} was dull.", plan=WIDELY),
    Text("这部电影{mask}的很棒 😀"),
    Text("{mask}"),
    Text("this {mask} film was", attentions=False, filled=True),
]
NEXT = [
    Text("I saw a movie.", "It was the best film.", plan=WIDELY),
    Text("这部电影不好", "He never liked the end"),
    Text("see", "the", attentions=False, filled=True),
]
BOTH = tuple(
    (methods, "logit", {"cosine": which})
    for which, methods in (("text", WIDE), ("text_pair", BASIC))
)
SIMILAR = [
    Text("A really good movie.", "This film was great!", plan=BOTH),
    Text("Cafe\u0301 这部电影 😀", "这部movie真的很棒"),
    Text("great", "bad"),
    Text("good", " ".join(FILLING), attentions=False, filled=True),
]

SIMILAR_SHORT = SIMILAR[:3]
ADAPTED = [SEQUENCE[0], SEQUENCE[1], SEQUENCE[5]]

# bert-tiny has every quadrature.

EVERY_INTEGRAL = [
    *(
        integrated_gradients(layer, baseline, quadrature, 7)
        for layer in LAYERS
        for baseline in BASELINES
        for quadrature in QUADRATURES
    ),
    *(integrated_gradients(layer, n_steps=steps) for layer in LAYERS for steps in (1, 50)),
]
BASIC_AND_ZERO = [*BASIC, integrated_gradients("embeddings", "zero", "riemann_middle", 9)]


def basic(*targets: dict) -> tuple:
    """The basic methods on a logit or a difference of logits."""
    return tuple((BASIC_AND_ZERO, "logit", target) for target in targets)


EVERY = [
    Text(
        SENTENCE,
        plan=(
            *basic({"index": 0}),
            (EVERY_INTEGRAL, "logit", {"index": 0}),
            *basic({"contrast": [0, 2]}),
            (BASIC_AND_ZERO, "probability", {"index": 0}),
        ),
    ),
    Text("Café — GREAT!! 😀 ok", plan=basic({"index": 1})),
    Text("Cafe\u0301  nai\u0308ve\tmovies", plan=basic({"index": 2})),
    Text("这部电影真的很棒", plan=basic({"index": 2})),
    Text(MIXED, always=True, plan=basic({"index": 0})),
    Text(
        "Is this movie good?",
        "It was the best film.",
        plan=(
            *basic({"index": 1}, {"contrast": [2, 1]}),
            (BASIC_AND_ZERO, "probability", {"index": 2}),
        ),
    ),
    Text("这部电影不好", "He never liked the end", plan=basic({"index": 2})),
    Text("great", plan=basic({"index": 1})),
    Text(" ".join(FILLING), plan=basic({"index": 0}), filled=True, always=True),
]
MULTI_LABEL = [
    Text(SENTENCE, plan=((SMALL, "logit", {"index": 1}), (SMALL, "probability", {"index": 3})))
]
REGRESSION = [Text(SENTENCE, plan=((SMALL, "logit", {"index": 0}),))]
