"""Reads a prompt as a model would: tags it asks for, the seed example, what is given, how many, which scale.

Nothing is known of sdgkit's own prompts here: any tags of the usual kinds are found, `[Start of X] …
[End of X]` in several languages, `<x>…</x>`, `[x]…[/x]`.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from sdgkit.teachers.rehearsal.chat import Message
from sdgkit.teachers.rehearsal.wording import vocabulary

MOST_WANTED = 50  # pieces in one reply, whatever number the prompt names


@dataclass(frozen=True, slots=True)
class Tag:
    """A pair of tags. `role` is what stands between them: context, question, response, evaluation, score or other."""

    role: str
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a prompt wants.

    `seed` is the example in the prompt and `given` what is to be worked on, both by role (context, question,
    response); `prose` is the rest of the prompt. `scale` is the judge's lowest and highest score. `rival` is a response
    that stands before the given one and is to be compared with it.
    """

    asked: tuple[Tag, ...]
    seed: Mapping[str, str]
    given: Mapping[str, str]
    wanted: int
    scale: tuple[int, int]
    prose: str
    rival: str | None = None

    @property
    def source(self) -> str:
        """What is to be responded to; a question that follows its context in the same text is no part of it."""
        question = self.given.get("question", "")
        before = question.rpartition("\n\n")[0] if "context" in self.seed else ""
        return self.given.get("context") or before or question

    @property
    def seed_source(self) -> str:
        """What the example's response responds to."""
        return self.seed.get("context") or self.seed.get("question", "")

    @property
    def example(self) -> str:
        """The example's response."""
        return self.seed.get("response", "")

    def asks_for(self, role: str) -> bool:
        """Whether one of the tags asked for has this role."""
        return any(tag.role == role for tag in self.asked)


@lru_cache(maxsize=128)
def read(messages: tuple[Message, ...]) -> Assignment:
    """Read a whole chat; the last tags in it are the ones asked for."""
    blocks, openers, prose = _blocks("\n\n".join(message.text for message in messages))
    asked, held = _asked(blocks, openers)
    seed, given, rival = _seed_and_given(held, {tag.role for tag in asked})
    shown = next((block.text for block in reversed(blocks) if block.tag.role == "score" and block.is_placeholder), "")
    scale = _scale(prose, shown) if any(tag.role == "score" for tag in asked) else (0, 1)
    return Assignment(asked, seed, given, _wanted(prose, asked), scale, prose, rival)


# --- tags --------------------------------------------------------

_MARK = re.compile(r"\[[^\[\]\n]{1,60}\]|<[^<>\n]{1,60}>")


class _Mark(NamedTuple):
    place: int
    stop: int
    name: str
    closes: bool


class _Block(NamedTuple):
    place: int
    name: str
    tag: Tag
    text: str
    is_placeholder: bool


@lru_cache(maxsize=4096)
def _classify(mark: str) -> tuple[str, bool] | None:
    """A tag's name (with its kind of bracket) and whether it closes; None for something that is no tag."""
    words = vocabulary("words")["tags"]
    inner = mark[1:-1].strip().strip("|").lower()
    closes = inner.startswith("/")
    parts = re.split(r"[\s_]+", inner.strip("/").strip())
    spelled = False
    if len(parts) > 1 and parts[0] in words["start"] + words["end"]:
        closes, spelled = parts[0] in words["end"], True
        parts = parts[1:]
        while len(parts) > 1 and parts[0] in words["of"]:
            parts = parts[1:]
    if not parts or not parts[0] or len(parts) > 4 or not parts[0][0].isalpha():
        return None
    kind = "spelled" if spelled else "short"
    return f"{mark[0]}{kind} {' '.join(parts)}", closes


def _blocks(text: str) -> tuple[list[_Block], list[_Mark], str]:
    """The tagged texts in order (nested ones belong to the outer), openers that no closer follows, and the rest."""
    known = ((match, _classify(match[0])) for match in _MARK.finditer(text))
    marks = [_Mark(match.start(), match.end(), *name) for match, name in known if name]
    closing = {mark.name for mark in marks if mark.closes}
    partners: list[_Mark | None] = []
    nearest: dict[str, _Mark] = {}
    for mark in reversed(marks):
        partners.append(nearest.get(mark.name))
        nearest[mark.name] = mark
    blocks, openers, prose, reached = [], [], [], 0
    for mark, partner in zip(marks, reversed(partners), strict=True):
        if mark.closes or mark.place < reached:
            continue
        if partner is None and mark.name in closing:
            openers.append(mark)
        elif partner is not None and partner.closes:
            prose.append(text[reached : mark.place])
            blocks.append(_block(text, mark, partner))
            reached = partner.stop
    return blocks, openers, "\n".join([*prose, text[reached:]])


def _block(text: str, mark: _Mark, partner: _Mark) -> _Block:
    inner = text[mark.stop : partner.place].strip()
    before = text[text.rfind("\n", max(0, mark.place - 400), mark.place) + 1 : mark.place]
    tag = Tag(_role(mark.name), text[mark.place : mark.stop], text[partner.place : partner.stop])
    return _Block(mark.place, mark.name, tag, inner, _is_placeholder(inner, before, tag.role))


def _is_placeholder(inner: str, before: str, role: str) -> bool:
    """Whether a block only shows the form: nothing in it, a mention within a sentence, a word in brackets."""
    if not any(letter.isalnum() for letter in inner):
        return True
    if "\n" in inner:
        return False
    size = len(inner.split())
    if size <= 6 and any(letter.isalpha() for letter in before):
        return True
    in_brackets = inner[0] + inner[-1] in ("<>", "()", "{}", "[]") and '"' not in inner
    if (in_brackets and size <= 25) or (size <= 8 and (inner[:3] == "..." or inner.endswith(("...", "…")))):
        return True
    return role == "score" and len(re.findall(r"\d+", inner)) > 1


@lru_cache(maxsize=1024)
def _role(name: str) -> str:
    word = name.split(" ", 1)[1]
    for role, names in vocabulary("words")["roles"].items():
        if any(part in names or part.rstrip("s") in names for part in word.split()):
            return str(role)
    return "other"


def _asked(blocks: list[_Block], openers: list[_Mark]) -> tuple[tuple[Tag, ...], list[_Block]]:
    """The tags that the prompt asks for, and the blocks that hold something."""
    held, shown = [one for one in blocks if not one.is_placeholder], [one for one in blocks if one.is_placeholder]
    last_held = held[-1].place if held else -1
    asked = [block for block in shown if block.place > last_held]
    if not asked and openers and openers[-1].place > last_held:  # the prompt ends with the reply's own first tag
        asked = [block for block in blocks if block.name == openers[-1].name][-1:]
    if not asked and shown:  # the form is shown before the data
        data = {block.name for block in held if block.place > shown[-1].place}
        asked = [block for block in shown if block.name not in data]
    if not asked and held:  # no form is shown: the tags that the example has and the given part lacks, else the last
        times = Counter(block.name for block in held)
        rarer = [block for block in held if times[block.name] < max(times.values())]
        verdict = [block for block in held[-2:] if block.tag.role in ("evaluation", "score")]
        asked = verdict if held[-1].tag.role == "score" else rarer or held[-1:]
        held = [block for block in held if block not in asked or times[block.name] > 1] or held
    # the form of an evaluation is often shown by a sentence about what to write there
    only_scores = bool(asked) and all(block.tag.role == "score" for block in asked)
    if only_scores and held and held[-1].tag.role == "evaluation" and held[-1].place < asked[0].place:
        asked.insert(0, held.pop())
    tags = {block.name: block.tag for block in asked}.values()
    return tuple(replace(tag, role="response") if tag.role == "other" else tag for tag in tags), held


def _seed_and_given(held: list[_Block], asked: set[str]) -> tuple[dict[str, str], dict[str, str], str | None]:
    """The example comes first; the given part begins where a tag of the example comes again. And the given's rival."""
    by_role: dict[str, list[_Block]] = {}
    for block in held:
        by_role.setdefault(block.tag.role, []).append(block)
    if "other" in by_role:  # a tag of the user's own: data to work on, or the example of what is asked for
        by_role.setdefault("response" if "response" in asked else "context", by_role.pop("other"))
    second = [blocks[1].place for blocks in by_role.values() if len(blocks) > 1]
    border = min(second, default=0)
    seed, given = {}, {}
    for role, blocks in by_role.items():
        if blocks[0].place < border or role in asked:
            seed[role] = blocks[0].text
        if blocks[-1].place >= border and role not in asked:
            given[role] = blocks[-1].text
    rivals = [block for block in by_role.get("response", ()) if block.place >= border]
    is_contest = len(rivals) == 2 and len({block.name for block in rivals}) == 2 and "response" not in asked
    return seed, given, rivals[0].text if is_contest else None


# --- numbers in the prose ----------------------------------------

_RANGE = re.compile(
    r"(?<![\d.])(\d{1,3})(?:\s*,\s*\d{1,3}){0,10}(?:\s*\([^()\n]{0,60}\))?,?"
    r"\s*(?:-|\u2013|\u2014|to|bis|or|oder|and|und|/|through|à|ou|a|o)\s*(\d{1,3})(?![\d.]*\d)"
)
_LEVEL = re.compile(
    r"(?m)^\s*(?:[-*•]\s*)?\(?(?:score\s*)?(\d{1,2})\)?\s*[:=\u2013\u2014-]|\bscores?\s+(?:of\s+)?(\d{1,2})\b", re.I
)
_SCORING = re.compile(r"scor|rat(?:e|ing)|scale|grade|mark|point|bewert|punkt|note|skala|wertung", re.I)


@lru_cache(maxsize=256)  # a stage's prompts differ in their tagged texts; the prose around those stays the same
def _wanted(prose: str, asked: tuple[Tag, ...]) -> int:
    """How many pieces: "Write 3 questions", "drei Fragen"; 1 if no number is named."""
    if not asked:
        return 1
    words = vocabulary("words")
    numbers, marks = words["numbers"], {word for little in words["tags"].values() for word in little}
    nouns = {noun for tag in asked for noun in words["roles"].get(tag.role, ())}
    nouns |= {noun for tag in asked for noun in re.findall(r"[^\W\d_]+", tag.end.lower())} - marks
    noun = "|".join(sorted(map(re.escape, nouns), key=len, reverse=True))
    pattern = rf"\b(\d{{1,3}}|{'|'.join(numbers)})\s+(?:[\w-]+,?\s+){{0,4}}?(?:{noun})(?:s|n|en|es)?\b"
    found = re.findall(pattern, prose[-20_000:].lower())
    counts = [int(word) if word.isdigit() else numbers[word] for word in found]
    return min(next((count for count in reversed(counts) if count > 1), 1), MOST_WANTED)


@lru_cache(maxsize=256)
def _scale(prose: str, shown: str) -> tuple[int, int]:
    """The judge's scale: a range near a word like "score", or the levels that are listed; 0 to 1 if unclear.

    `shown` is what stands between the score tags where the prompt shows the form.
    """
    near = (m for m in _RANGE.finditer(prose) if _SCORING.search(prose, max(0, m.start() - 80), m.end() + 40))
    for matches in (_RANGE.finditer(shown), near):
        rising = [(int(m[1]), int(m[2])) for m in matches if int(m[1]) < int(m[2]) <= 100]
        if rising:
            return max(rising, key=lambda pair: pair[1] - pair[0])
    levels = [int(match[1] or match[2]) for match in _LEVEL.finditer(prose)]
    return (min(levels), max(levels)) if len(set(levels)) > 1 else (0, 1)
