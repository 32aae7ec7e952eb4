"""Reads the records of a reply by the prompt's tags.

A reply is scanned once for tags. Each tag together with the text up to the next one is a `Passage`;
passages after start tags are values, and values in the order of the columns make a record.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sdgkit.prompts.drafts import ends_of_draft
from sdgkit.prompts.tags import TagPair
from sdgkit.prompts.thinking import final_answer

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A code fence that says no more than "this is text" is the teacher's habit. One that names a
# programming language belongs to the value.
_FENCE = re.compile(
    r"```[^\S\n]*(?:(?:markdown|md|te?xt|plain(?:text)?)[^\S\n]*)?\n((?:(?!```).)*)```",
    re.DOTALL | re.IGNORECASE,
)


class ParsedReply(NamedTuple):
    """What was read in a reply.

    Attributes:
        rows: The text of each column, one dictionary for each complete record.
        stray: Whether a start tag was found without a complete record.
        is_thought_only: Whether the model thought and gave no answer.
    """

    rows: list[dict[str, str]]
    stray: bool
    is_thought_only: bool = False


@dataclass(frozen=True)
class Passage:
    """A tag and the text after it.

    Attributes:
        tag: The tag in plain form; "" for the text before the first tag.
        text: The text up to the next tag or the end of the reply.
        next_tag: The tag after the text in plain form; None at the end of the reply.
    """

    tag: str
    text: str
    next_tag: str | None


@dataclass(frozen=True)
class _Reading:
    """How a reply is to be read.

    Attributes:
        columns: The columns of a record, in the order of the tags.
        optional: Those of them that may be missing or empty.
        cut_off: Whether the reply ended at its limit of tokens.
        end_unsaid: Whether it is not known how the reply ended.
        keep_fences: Whether to keep a code fence around a whole value.
    """

    columns: Sequence[str]
    optional: frozenset[str]
    cut_off: bool
    end_unsaid: bool
    keep_fences: bool

    def without_skipped(self, record: dict[str, str], position: int) -> dict[str, str]:
        """The record so far, with "" for optional columns that the reply left out before here."""
        skipped = self.columns[len(record) : position]
        if not record or not self.optional.issuperset(skipped):
            return record
        return {**record, **dict.fromkeys(skipped, "")}


class ReplyParser:
    """Reads replies to one prompt.

    Args:
        tags: The prompt's tags, one pair for each output column in order.
    """

    def __init__(self, tags: Sequence[TagPair]) -> None:
        self._starts = []
        self._ends = []
        for pair in tags:
            self._starts.append(_plain_tag(pair.start))
            self._ends.append(_plain_tag(pair.end))
        self._any_tag = _tag_pattern(tags)

    def parse(
        self,
        reply: str,
        columns: Sequence[str],
        *,
        cut_off: bool,
        end_unsaid: bool,
        keep_fences: bool,
        keep_thoughts: bool = False,
        optional: Collection[str] = (),
    ) -> ParsedReply:
        """Read the records in a reply; see `Prompt.parse`."""
        reading = _Reading(columns, frozenset(optional), cut_off, end_unsaid, keep_fences)
        answer = final_answer(reply, is_own_tag=self._is_own_tag, keeps_inner=keep_thoughts)
        parsed = self._read_records(self._without_draft(answer.text), reading)
        is_thought_only = answer.has_thoughts and not answer.text.strip()
        return parsed._replace(is_thought_only=is_thought_only)

    def _is_own_tag(self, mark: str) -> bool:
        """Whether a mark of thinking is among the tags that the prompt asks for."""
        return _plain_tag(mark) in {*self._starts, *self._ends}

    def _without_draft(self, text: str) -> str:
        """The text after a draft that was set apart, if an answer follows it."""
        if self._any_tag is None or not self._starts[0]:
            return text
        for end in ends_of_draft(text):
            if self._begins_record(text[:end]) and self._begins_record(text[end:]):
                return text[end:]
        return text

    def _begins_record(self, text: str) -> bool:
        """Whether the tag with which a record begins is in a text."""
        if self._any_tag is None:
            return False
        for match in self._any_tag.finditer(text):
            if _plain_tag(match[0]) == self._starts[0]:
                return True
        return False

    def _read_records(self, text: str, reading: "_Reading") -> ParsedReply:
        columns = reading.columns
        rows: list[dict[str, str]] = []
        record: dict[str, str] = {}
        stray = False
        for passage in self._passages(text):
            if passage.tag not in self._starts:
                continue  # an end tag and what follows it
            position = self._starts.index(passage.tag)
            record = reading.without_skipped(record, position)
            if position != len(record):  # the record before it is incomplete
                stray = True
                record = {}
            value = _value_of(passage.text, reading.keep_fences)
            may_be_empty = columns[position] in reading.optional
            ends_surely = self._ends_surely(passage, position, reading)
            # Only the first column can begin a record.
            if not (value or may_be_empty) or not ends_surely or position != len(record):
                stray = True
                record = {}
                continue
            record[columns[position]] = value
            if len(record) == len(columns):
                rows.append(record)
                record = {}
        return ParsedReply(rows, stray or bool(record))

    def _passages(self, text: str) -> Iterator[Passage]:
        """The passages of a text that belong to a tag, in order."""
        tag = ""
        begin = 0
        is_tagged = self._starts[0] == ""  # then the reply itself begins the first value
        if self._any_tag is not None:
            for match in self._any_tag.finditer(text):
                next_tag = _plain_tag(match[0])
                if is_tagged:
                    yield Passage(tag, text[begin : match.start()], next_tag)
                tag = next_tag
                begin = match.end()
                is_tagged = True
        if is_tagged:
            yield Passage(tag, text[begin:], None)

    def _ends_surely(self, passage: Passage, position: int, reading: _Reading) -> bool:
        """Whether the passage is the whole value.

        It may not be if the reply was cut off in it, or could have been, or if its own start tag
        follows.
        """
        if passage.next_tag is None:
            needs_end_tag = reading.end_unsaid and self._ends[position] != ""
            return not reading.cut_off and not needs_end_tag
        return passage.next_tag != passage.tag or passage.tag == self._ends[position]


def _plain_tag(tag: str) -> str:
    """A tag without white space, bold marks and letter case."""
    return re.sub(r"[\s*]", "", tag).lower()


def _tag_pattern(tags: Sequence[TagPair]) -> re.Pattern[str] | None:
    """What finds the tags in a reply, with any white space, letter case and bold marks."""
    texts: set[str] = set()
    for pair in tags:
        texts.update((pair.start, pair.end))
    texts.discard("")
    if not texts:
        return None
    longest_first = sorted(texts, key=len, reverse=True)
    any_tag = f"(?:{'|'.join(map(_spaced_pattern, longest_first))})"
    bold_tag = rf"\*\*\s{{0,3}}{any_tag}\s{{0,3}}\*\*"
    return re.compile(f"{bold_tag}|{any_tag}", re.IGNORECASE | re.ASCII)


def _spaced_pattern(tag: str) -> str:
    """A tag with up to three white space characters between its words and signs."""
    pieces = re.findall(r"\w+|[^\w\s]", tag)
    return r"\s{0,3}".join(map(re.escape, pieces))


def _value_of(text: str, keep_fences: bool) -> str:
    """A value without control characters, and without white space and a plain fence around it."""
    value = _CONTROL.sub("", text.replace("\r\n", "\n")).strip()
    if keep_fences:
        return value
    fence = _FENCE.fullmatch(value)
    if fence is None:
        return value
    return fence[1].strip()
