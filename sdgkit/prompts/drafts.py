"""A draft that a model set apart before its answer, in a block of any name.

`thinking.py` knows the names under which models think. A model that was told to plan or to sketch
first uses names that no table holds: `<brief>…</brief>`, `### Thinking … ### Answer`. Such a block
is known by its place: it begins the reply, it is closed, it holds the prompt's tags, and a whole
answer between the same tags follows it.
"""

import re
from collections.abc import Iterator

_TAG = re.compile(r"\A\s*<\s*([^\W\d][\w:.-]{0,40})(?:\s[^<>]{0,300})?>")
_CLOSING_TAG = re.compile(r"<\s*/\s*([^\W\d][\w:.-]{0,40})\s*>")
_BRACKET = re.compile(r"\A\s*\[([^\W\d][\w -]{0,40})\]")
_HEADING_WORD = (
    r"(?:(?:my|chain of|step[ -]by[ -]step)\s)?"
    r"(?:think(?:ing)?|thoughts?|reasoning|analysis|rationale|plan(?:ning)?|(?:first )?draft"
    r"|scratch ?pad|working)(?:\s(?:process|steps?|out))?"
)
_HEADING = re.compile(
    rf"\A\s*(?:#{{1,6}}[ \t]*|[*_]{{1,3}})?{_HEADING_WORD}[*_]{{0,3}}\s*(?::|\n)", re.IGNORECASE
)
_ANSWER_HEADING = re.compile(
    r"\n\s*(?:#{1,6}[ \t]*|[*_]{1,3})?(?:(?:my|the)\s)?(?:final\s)?"
    r"(?:answer|response|output|result|version)[*_]{0,3}[ \t]*:?[*_]{0,3}[ \t]*(?=\s|\[|<)",
    re.IGNORECASE,
)


def ends_of_draft(reply: str) -> Iterator[int]:
    """Where a draft with which the reply begins may end, the most certain place first.

    Args:
        reply: The text of a reply, without what is known to be thought.

    Example:
        >>> reply = "<brief>A table?</brief>The answer."
        >>> [reply[end:] for end in ends_of_draft(reply)]
        ['The answer.']
        >>> list(ends_of_draft("The answer."))
        []
    """
    tag = _TAG.match(reply)
    if tag is not None:
        yield from _end_of_block(reply, tag, rf"<\s*/\s*{re.escape(tag[1])}\s*>", "<")
    bracket = _BRACKET.match(reply)
    if bracket is not None:
        yield from _end_of_block(reply, bracket, rf"\[\s*/\s*{re.escape(bracket[1])}\s*\]", r"\[")
    heading = _HEADING.match(reply)
    if heading is not None:
        for answer in _ANSWER_HEADING.finditer(reply, heading.end()):
            yield answer.end()
    yield from _end_without_beginning(reply)


def _end_without_beginning(reply: str) -> Iterator[int]:
    """The end of a block whose beginning a chat template wrote: a closing tag that has none."""
    closings = list(_CLOSING_TAG.finditer(reply))
    if len(closings) != 1:
        return
    if re.search(rf"<\s*{re.escape(closings[0][1])}\b", reply, re.IGNORECASE) is None:
        yield closings[0].end()


def _end_of_block(
    reply: str, beginning: re.Match[str], closing: str, bracket: str
) -> Iterator[int]:
    """The end of the block that the match begins, if the reply has only one of this name."""
    again = rf"{bracket}\s*{re.escape(beginning[1])}\b"
    if re.compile(again).search(reply, beginning.end()):
        return
    end = re.compile(closing, re.IGNORECASE).search(reply, beginning.end())
    if end is not None:
        yield end.end()
