"""Text and Markdown files as contexts: whole, or in pieces by heading or size."""

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from sdgkit.errors import SettingsError
from sdgkit.prompts.words import count_words

Split: TypeAlias = Literal["whole", "heading"] | int
"""A document as one context, one for each heading, or pieces of at most this many words."""

DOCUMENT_SUFFIXES = (".txt", ".text", ".md", ".markdown")

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"^\s{0,3}(```|~~~)")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+\S")
_UNDERLINE = re.compile(r"^\s{0,3}(?:={3,}|-{3,})\s*$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])")


def parse_split(value: object) -> Split:
    """How documents are split, as the user wrote it.

    Raises:
        SettingsError: It is something else.

    Example:
        >>> parse_split("300")
        300
    """
    if value is None or value == "whole":
        return "whole"
    if value == "heading":
        return "heading"
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or int(text) < 1:
        raise SettingsError(
            'split_contexts must be "whole", "heading" or a number of words, such as 300, not '
            f"{value!r}.",
            setting="split_contexts",
        )
    return int(text)


def split_document(text: str, split: Split) -> list[str]:
    """The contexts of a document; pieces without any text are left out.

    Example:
        >>> split_document("# Tea\\nHot.\\n# Milk\\nCold.\\n", "heading")
        ['# Tea\\nHot.', '# Milk\\nCold.']
    """
    text = _FRONT_MATTER.sub("", text.replace("\r\n", "\n"))
    if split == "whole":
        pieces = [text]
    elif split == "heading":
        pieces = list(_sections(text))
    else:
        pieces = list(_pieces(text, split))
    passages = []
    for piece in pieces:
        if piece.strip():
            passages.append(piece.strip("\n").rstrip())
    return passages


def _sections(text: str) -> Iterator[str]:
    """The text from each heading to the next; a heading without text goes with what follows."""
    section: list[str] = []
    has_body = False
    lines = text.split("\n")
    is_code = False
    for number, line in enumerate(lines):
        if _FENCE.match(line):
            is_code = not is_code
        next_line = ""
        if number + 1 < len(lines):
            next_line = lines[number + 1]
        is_underlined = bool(line.strip()) and bool(_UNDERLINE.match(next_line))
        is_heading = not is_code and (bool(_HEADING.match(line)) or is_underlined)
        if is_heading and has_body:
            yield "\n".join(section)
            section = []
            has_body = False
        section.append(line)
        if not is_heading and line.strip() and not _UNDERLINE.match(line):
            has_body = True
    yield "\n".join(section)


def _pieces(text: str, most_words: int) -> Iterator[str]:
    """Paragraphs together, as many as the words allow; longer ones by sentence."""
    piece = ""
    for part, separator in _parts(text, most_words):
        joined = part
        if piece:
            joined = f"{piece}{separator}{part}"
        if piece and count_words(joined) > most_words:
            yield piece
            joined = part
        piece = joined
    yield piece


def _parts(text: str, most_words: int) -> Iterator[tuple[str, str]]:
    """Paragraphs, or sentences, or words, none too long; each with the text before it."""
    for paragraph in re.split(r"\n[ \t]*\n+", text):
        if count_words(paragraph) <= most_words:
            yield paragraph, "\n\n"
            continue
        separator = "\n\n"
        for sentence in _SENTENCE_END.split(paragraph):
            yield from _words(sentence, most_words, separator)
            separator = ""
            if sentence.isascii():
                separator = " "


def _words(sentence: str, most_words: int, separator: str) -> Iterator[tuple[str, str]]:
    if count_words(sentence) <= most_words:
        yield sentence, separator
        return
    words = sentence.split(" ")
    if len(words) > 1:
        for start in range(0, len(words), most_words):
            yield " ".join(words[start : start + most_words]), separator
            separator = " "
        return
    for start in range(0, len(sentence), most_words):
        yield sentence[start : start + most_words], separator
        separator = ""
