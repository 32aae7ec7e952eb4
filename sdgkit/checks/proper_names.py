"""Names in a text: words with a capital inside a sentence, if the language writes only names so."""

import re
from collections.abc import Iterable, Iterator

from sdgkit.checks.numbers import number_words
from sdgkit.texts import load_texts

# Share of words with a capital inside sentences above which a language capitalises its nouns, as
# German does.
NOUNS = 0.15

WORD = re.compile(r"[^\W\d_][\w'\u2019]*(?:-\w+)*")
_AFTER_A_WORD = re.compile(r"[^\W\d_][,;]? $")
_AFTER_AN_ABBREVIATION = re.compile(r"\b\w{1,3}\. $")
_LOOK_BACK = 8  # characters before a word that tell whether it begins a sentence


def names(text: str) -> Iterator[str]:
    """The words with a capital inside a sentence, except those that are always capitalised."""
    for word in _words_inside_sentences(text):
        if word[0].isupper() and len(word) > 1 and not _is_common(word):
            yield word


def capitalises_nouns(texts: Iterable[str]) -> bool:
    """Whether the language of some texts writes every noun with a capital."""
    words: list[str] = []
    for text in texts:
        words += _words_inside_sentences(text)
    capitalised = []
    for word in words:
        if word[0].isupper():
            capitalised.append(word)
    return len(capitalised) > NOUNS * len(words)


def _is_common(word: str) -> bool:
    """Whether a word with a capital names nothing in particular: Monday, EUR, March."""
    lower = word.casefold().removesuffix("'s")
    if lower in load_texts("facts")["common"] or lower in number_words():
        return True
    return word.isupper() and len(word) <= 3


def _words_inside_sentences(text: str) -> Iterator[str]:
    """The words that follow an ordinary word in the same sentence."""
    for line in text.splitlines():
        for match in WORD.finditer(line):
            before = line[max(0, match.start() - _LOOK_BACK) : match.start()]
            if _AFTER_A_WORD.search(before) and not _AFTER_AN_ABBREVIATION.search(before):
                yield match[0]
