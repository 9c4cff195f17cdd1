"""Texts of requests. Each contains a marker that must not occur in the log."""

MARKERS = ("zqxv", "墨羽鲸")

ENGLISH = (
    "the plot is thin", "the cast is wonderful", "nobody laughed at all",
    "I would gladly see it again", "the second half drags on for ever", "its music is lovely",
    "what a waste of two hours", "the ending came as a surprise", "it is not bad",
    "every scene looks like a painting", "the jokes fall flat", "my children loved it",
)
CHINESE = (
    "这部电影真的很棒", "剧情有点无聊", "演员的表演非常出色", "我再也不想看第二遍", "音乐很好听",
    "结局让人意外", "浪费了两个小时", "服务态度太差了", "画面像油画一样美", "孩子们都很喜欢",
)
HOSTILE = (
    "<script>alert('{0}')</script> <b onload=x>good</b> & bad",
    "\x1b[31mred {0}\x1b]0;title\x07 good",
    "nothing\x00between {0} the words",
    "\u202etxet desrever {0}\u202c and \u2066isolated\u2069",
    "{0} 😀👍🏽 a\u0301 \u200b\ufeff good",
    "[MASK] [SEP] [CLS] {0} [PAD]",
    '"quotes" \\ and {{braces}} {0} ${{x}} %s %n',
    "{0} \u2028 \u2029 \ufffe \U0010ffff end",
    "i̇stanbul İ ß ﬁ {0} Ǆ",
)


def english(rng, clauses):
    """Returns a text with this number of clauses, of about eight tokens each."""
    words = [rng.choice(ENGLISH) for _ in range(clauses)]
    words.insert(rng.randrange(clauses + 1), MARKERS[0])
    return ", ".join(words).capitalize() + rng.choice((".", "!", ""))


def chinese(rng, clauses):
    words = [rng.choice(CHINESE) for _ in range(clauses)]
    return "，".join([*words, MARKERS[1]]) + "。"


def hostile(rng):
    return rng.choice(HOSTILE).format(MARKERS[0])
