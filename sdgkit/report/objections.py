"""What a judge objects to: the sentences in which it says that something is wrong.

A judge goes through what is right as well. Such sentences are no reason for a drop, however often
they come.
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from sdgkit.texts import load_texts

LONGEST_QUOTE = 300  # characters
FEWEST_WORDS = 4  # of a sentence that says what is wrong
WORDS_NEGATED = 4  # after a negation
# What the judge quotes is a part of its sentence, whatever ends in it: it may be a whole text.
_QUOTED = (
    r"\u201c[^\u201c\u201d\n]{0,300}\u201d|\u201e[^\u201c\u201d\u201e\n]{0,300}[\u201c\u201d]"
    r"|\u00ab[^\u00ab\u00bb\n]{0,300}\u00bb|\"[^\"\n]{0,300}\""
)
_SENTENCE = re.compile(
    rf"(?=\S)(?:{_QUOTED}|[^\n])+?"
    r"(?:(?<=[.!?])(?=\s|$)|(?<=[\u3002\uff01\uff1f])|(?=\n|$)"
    r"|(?<=[.!?][\u201c\u201d\u00bb\"])(?=\s+[A-Z\u00c0-\u00d6\u00d8-\u00de\u0410-\u042f]))"
)
_CLAUSE_BREAK = re.compile(r"[,;:\u2013\u2014(]|\b(?:but|aber|sondern|mais|pero|sino|ma)\b")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")


def objections(text: str) -> Sequence[str]:
    """The sentences of an evaluation that say that something is wrong.

    A sentence counts as one if it has more words for what is wrong, and negated words for what
    is right, than the other way round. The words are those of `texts/objections.yaml`.

    Args:
        text: What the judge wrote.

    Example:
        >>> objections("All 12 figures are right. The unit of the last one is missing.")
        ['The unit of the last one is missing.']
        >>> objections("Nothing is missing. No deadline is given.")
        ['No deadline is given.']
        >>> objections("\u201cPay. | Low\u201d is wrong: the text says high. The rest is right.")
        ['\u201cPay. | Low\u201d is wrong: the text says high.']
    """
    objections = []
    for sentence in _sentences_in(text):
        if _weight(sentence) > 0:
            objections.append(sentence)
    return objections


def without_praise(text: str) -> str:
    """An evaluation without the sentences that say what is right, as long as any are left."""
    sentences = _sentences_in(text)
    objecting = []
    undecided = []
    for sentence in sentences:
        weight = _weight(sentence)
        if weight > 0:
            objecting.append(sentence)
        elif weight == 0:
            undecided.append(sentence)
    specific = list(filter(_names_what, objecting))
    return "\n".join(specific or objecting or undecided or sentences)


def _sentences_in(text: str) -> list[str]:
    return [match[0] for match in _SENTENCE.finditer(text)]


def quote(text: str) -> str:
    """The sentence that objects most, shortened if it is very long; "" if none does."""
    objecting = objections(text)
    specific = list(filter(_names_what, objecting))
    sentence = _most_objecting(specific) or _reason_given(text) or _most_objecting(objecting)
    if len(sentence) <= LONGEST_QUOTE:
        return sentence
    return f"{sentence[:LONGEST_QUOTE].rstrip()}\u2026"


def _most_objecting(sentences: Sequence[str]) -> str:
    """The first of those that object most, without those that only say that something is bad."""
    telling = []
    for sentence in sentences:
        if _is_telling(sentence):
            telling.append(sentence)
    return max(telling, key=_weight, default="")


def _reason_given(text: str) -> str:
    """What follows a short sentence that objects: "Not good. It is about another town."."""
    for sentence, following in pairwise(_sentences_in(text)):
        if _weight(sentence) > 0 and _is_telling(following) and _names_what(following):
            return following
    return ""


def _names_what(sentence: str) -> bool:
    """Whether it says what is wrong, and not only that something is."""
    words = set(_WORD.findall(sentence.lower().replace("\u2019", "'")))
    return not words <= _words_of_verdicts()


def _is_telling(sentence: str) -> bool:
    """Whether it has a few words or, in a script without spaces, enough characters."""
    words = sentence.split()
    return len(words) >= FEWEST_WORDS or len(words[0]) >= 2 * FEWEST_WORDS


def _weight(sentence: str) -> float:
    """How much more of a sentence says that something is wrong than that it is right."""
    lowered = sentence.lower().replace("\u2019", "'")
    signs = []
    for match in _pattern("wrong").finditer(lowered):
        signs.append((match.start(), 1))
    for match in _pattern("right").finditer(lowered):
        signs.append((match.start(), -1))
    weight = 0.0
    for position, sign in signs:
        clause = _CLAUSE_BREAK.split(lowered[:position])[-1]
        is_negated = _has_negation(_WORD.findall(clause)[-WORDS_NEGATED:])
        if is_negated:
            weight -= sign
        else:
            weight += sign
    if not signs and _has_negation(_WORD.findall(lowered)):
        return 0.5  # "The order is not that of the text."
    return weight


def _has_negation(words: Sequence[str]) -> bool:
    return any(word in _negations() or word.endswith("n't") for word in words)


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    words = sorted(set(load_texts("objections")[kind]), key=len, reverse=True)
    alternatives = []
    for word in words:
        stem = word.removesuffix("-")
        ending = ""
        if stem != word:
            ending = r"\w*"
        alternatives.append(re.escape(stem) + ending)
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)")


@cache
def _negations() -> frozenset[str]:
    return frozenset(str(word) for word in load_texts("objections")["negations"])


@cache
def _words_of_verdicts() -> frozenset[str]:
    return frozenset(str(word) for word in load_texts("objections")["verdict"])
