"""Reads a prompt as a model would: the tags asked for, the seed example, the material, the scale.

It knows nothing about sdgkit's own prompts. Any tags of the usual kinds will do, `[Start of X] …
[End of X]` in several languages, `<x>…</x>` and `[x]…[/x]`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sdgkit.rehearsal.vocabulary import vocabulary

# Records in one reply, whatever number the prompt names.
MAX_COUNT = 50

_WORDS = vocabulary("words")
_TAG_WORDS = _WORDS["tags"]

_BETWEEN = rf"[\s_]+(?:(?:{_TAG_WORDS['of']})[\s_]+)*"
_END = rf"(?P<end>/|(?:{_TAG_WORDS['end']}){_BETWEEN})"
_START = rf"(?:{_TAG_WORDS['start']}){_BETWEEN}"
_NAME = r"(?P<name>[^\W\d_][^\s\[\]<>|_]*(?:[\s_][^\s\[\]<>|_]+){0,3})"  # at most four words
_TAG = re.compile(rf"(?i)[\[<]\|?(?:{_END}|{_START})?{_NAME}\|?[\]>]")
_RANGE = re.compile(_WORDS["scale"]["range"])
_SCORING = re.compile(_WORDS["scale"]["near"])
_LEVEL = re.compile(r"(?im)^\W*(?:score\s*)?(\d{1,2})\)?\s*[:=\u2013\u2014-]")

# The first tag of an example, and of the material: with more, several examples are shown.
MOST_LEADING = 2

# A chat: the role and the text of each message.
Messages = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A pair of tags and the text between them.

    Attributes:
        position: Where it starts in the prompt.
        role: What is in it: context, question, response, evaluation, score or other.
        start: The start tag.
        text: The text between the tags.
        end: The end tag.
        is_form: It only shows the form: there is nothing in it that could be worked on.
    """

    position: int
    role: str
    start: str
    text: str
    end: str
    is_form: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a prompt asks for.

    Attributes:
        tags: The tags to fill, in order.
        seed: The seed example in the prompt, by role (context, question, response); of several, the
            last.
        other_responses: The responses of the other examples in the prompt.
        material: What to work on, by role.
        rival: A response that precedes the one in the material and is to be compared with it.
        count: How often to fill the tags.
        scale: The judge's lowest and highest score.
        criteria: Rules that the judge is to answer with yes or no.
        prose: The rest of the prompt.
        content: Every block that holds something, in order.
    """

    tags: tuple[Block, ...]
    seed: Mapping[str, str]
    other_responses: tuple[str, ...]
    material: Mapping[str, str]
    rival: str | None
    count: int
    scale: tuple[int, int]
    criteria: tuple[str, ...]
    prose: str
    content: tuple[Block, ...] = ()

    @property
    def source(self) -> str:
        """What to respond to, without a question that follows its context in the same text."""
        question = self.material.get("question", "")
        context = ""
        if "context" in self.seed:
            context = question.rpartition("\n\n")[0]
        return self.material.get("context") or context or question

    @property
    def seed_source(self) -> str:
        """What the seed example's response responds to."""
        return self.seed.get("context") or self.seed.get("question", "")

    @property
    def seed_response(self) -> str:
        """The seed example's response."""
        return self.seed.get("response", "")

    def with_material(self, role: str, text: str) -> "Assignment":
        """The same assignment with one more text to work on."""
        return replace(self, material={**self.material, role: text})


@lru_cache(maxsize=128)
def read(messages: Messages) -> Assignment:
    """Read a whole chat. The last tags in it are the ones asked for."""
    blocks, prose = _split("\n\n".join(text for _, text in messages))
    content = []
    for block in blocks:
        if not block.is_form:
            content.append(block)
    tags = _requested_tags(blocks, content)
    requested_roles = {tag.role for tag in tags}
    by_role = _by_role(content, requested_roles)
    border = _border(by_role, requested_roles)
    seed = {}
    material = {}
    for role, same_role in by_role.items():
        first = same_role[0]
        last = same_role[-1]
        in_examples = []
        for block in same_role:
            if block.position < border:
                in_examples.append(block)
        if in_examples or role in requested_roles:
            # Of several examples, the last is the one to go by.
            seed[role] = (in_examples or [first])[-1].text
        if last.position >= border and role not in requested_roles:
            material[role] = last.text
    responses = {}
    for block in by_role.get("response", ()):
        if block.position >= border:
            responses[block.start] = block.text
    rival = None
    if len(responses) == 2 and "response" in material:
        rival = next(iter(responses.values()))
    scores = []
    for block in blocks:
        if block.is_form and block.role == "score":
            scores.append(f"score {block.text}\n")
    return Assignment(
        tags=tags,
        seed=seed,
        other_responses=_other_responses(by_role, border),
        material=material,
        rival=rival,
        count=_count(prose, tuple((tag.role, tag.start) for tag in tags)),
        scale=_scale("".join(scores) + prose),
        criteria=_criteria(prose),
        prose=prose,
        content=tuple(content),
    )


def _other_responses(by_role: Mapping[str, Sequence[Block]], border: float) -> tuple[str, ...]:
    """The responses of all examples but the last."""
    examples = []
    for block in by_role.get("response", ()):
        if block.position < border:
            examples.append(block.text)
    return tuple(examples[:-1])


def _by_role(content: Sequence[Block], requested_roles: set[str]) -> dict[str, list[Block]]:
    by_role: dict[str, list[Block]] = {}
    for block in content:
        by_role.setdefault(block.role, []).append(block)
    # A tag of the user's own: an example of what is asked for, or data to work on.
    others = by_role.pop("other", None)
    if others:
        by_role.setdefault("response" if "response" in requested_roles else "context", others)
    return by_role


def _border(by_role: Mapping[str, Sequence[Block]], requested_roles: set[str]) -> float:
    """Where the seed example ends and the material begins: where one of its tags is repeated.

    If none does, everything is the example where it contains what is asked for, and everything is
    material otherwise. Several whole examples may stand before the material, or alone.
    """
    leading_role = min(by_role, key=lambda role: by_role[role][0].position, default="")
    leading = by_role.get(leading_role, ())
    whole_records = len({len(blocks) for blocks in by_role.values()}) == 1
    if len(leading) > 1 and leading_role in requested_roles and whole_records:
        return math.inf
    if len(leading) > MOST_LEADING and leading_role not in requested_roles:
        return leading[-1].position
    repeated = []
    for blocks in by_role.values():
        if len(blocks) > 1:
            repeated.append(blocks[1].position)
    if repeated:
        return min(repeated)
    if requested_roles & by_role.keys():
        return math.inf
    return 0


def _split(text: str) -> tuple[list[Block], str]:
    """The blocks in order (a nested one belongs to the outer one), and the rest of the text."""
    marks = list(_TAG.finditer(text))
    partners = _next_of_same_name(marks)
    blocks = []
    prose = []
    reached = 0
    for mark, partner in zip(marks, partners, strict=True):
        if mark.start() < reached or mark["end"] or partner is None or not partner["end"]:
            continue
        prose.append(text[reached : mark.start()])
        role = _role(mark["name"].lower())
        inner = text[mark.end() : partner.start()].strip()
        line_start = text.rfind("\n", max(0, mark.start() - 400), mark.start()) + 1
        before = text[line_start : mark.start()]
        is_form = _is_form(inner, before, role)
        blocks.append(Block(mark.start(), role, mark[0], inner, partner[0], is_form))
        reached = partner.end()
    prose.append(text[reached:])
    return blocks, "\n".join(prose)


def _next_of_same_name(marks: Sequence[re.Match[str]]) -> list[re.Match[str] | None]:
    """For each tag the next one of the same name, or None."""
    latest: dict[str, re.Match[str]] = {}
    partners = []
    for mark in reversed(marks):
        name = mark["name"].lower()
        partners.append(latest.get(name))
        latest[name] = mark
    partners.reverse()
    return partners


def _is_form(inner: str, before: str, role: str) -> bool:
    """Whether a block only shows the form: empty, mentioned in a sentence, in brackets, a scale."""
    if not any(char.isalnum() for char in inner):
        return True
    if "\n" in inner:
        return False
    length = len(inner.split())
    if length <= 6 and any(char.isalpha() for char in before):
        return True
    is_in_brackets = inner[:1] + inner[-1:] in ("<>", "()", "{}", "[]")
    if length <= 25 and is_in_brackets and '"' not in inner:
        return True
    return role == "score" and len(re.findall(r"\d+", inner)) > 1


@lru_cache(maxsize=1024)
def _role(name: str) -> str:
    """The role of a tag, by the words in its name."""
    parts = set()
    for word in re.split(r"[\s_]", name):
        parts |= {word, word.rstrip("s")}
    for role, names in _WORDS["roles"].items():
        if parts & set(names):
            return str(role)
    return "other"


def _requested_tags(blocks: Sequence[Block], content: Sequence[Block]) -> tuple[Block, ...]:
    """The tags to fill, each start tag once; one of an unknown role asks for a response."""
    requested = {block.start: block for block in _requested(blocks, content)}
    tags = []
    for tag in requested.values():
        tags.append(replace(tag, role="response") if tag.role == "other" else tag)
    return tuple(tags)


def _requested(blocks: Sequence[Block], content: Sequence[Block]) -> Sequence[Block]:
    """Those shown last, or before the data; if none is, the example ends with them."""
    forms = []
    for block in blocks:
        if block.is_form:
            forms.append(block)
    last_position = -1
    if content:
        last_position = content[-1].position
    final_forms = []
    for block in forms:
        if block.position > last_position:
            final_forms.append(block)
    if final_forms:
        return final_forms
    data_tags = set()
    if forms:
        for block in content:
            if block.position > forms[-1].position:
                data_tags.add(block.start)
    left = []
    for block in forms:
        if block.start not in data_tags:
            left.append(block)
    return left or content[-1:]


# The prompts of a stage differ in their tagged texts; the prose around them stays the same.
@lru_cache(maxsize=256)
def _count(prose: str, tags: tuple[tuple[str, str], ...]) -> int:
    """How many records: "Write 3 questions", "drei Fragen"; 1 if no number is named.

    Args:
        prose: The prompt without its blocks.
        tags: Role and start tag of what is asked for.
    """
    nouns: dict[str, None] = {}
    for role, start in tags:
        nouns |= dict.fromkeys(_WORDS["roles"][role])
        nouns |= dict.fromkeys(re.findall(r"\w+", start.lower()))
    if not nouns:
        return 1
    numbers = "|".join(_WORDS["numbers"])
    pattern = (
        rf"\b(\d{{1,3}}|{numbers})\s+(?:[\w-]+,?\s+){{0,4}}?"
        rf"(?:{'|'.join(nouns)})(?:s|n|en|es)?\b"
    )
    counts = []
    for word in re.findall(pattern, prose[-20_000:].lower()):
        count = int(_WORDS["numbers"].get(word, word))
        if count > 1:
            counts.append(count)
    if not counts:
        return 1
    return min(counts[-1], MAX_COUNT)


@lru_cache(maxsize=256)
def _criteria(prose: str) -> tuple[str, ...]:
    """The numbered rules after a sentence that asks to answer them one by one."""
    ask = re.search(_WORDS["criteria"]["ask"], prose)
    if ask is None:
        return ()
    criteria: list[str] = []
    for line in prose[ask.end() :].splitlines():
        numbered = re.match(_WORDS["criteria"]["line"], line)
        if numbered:
            criteria.append(numbered[1])
        elif criteria:
            break  # the list has ended
    return tuple(criteria)


@lru_cache(maxsize=256)
def _scale(prose: str) -> tuple[int, int]:
    """The judge's scale; 0 to 1 if it is unclear.

    A range near a word such as "score", or else the levels that are listed.
    """
    for match in _RANGE.finditer(prose):
        low = int(match[1])
        high = int(match[2])
        is_near_scoring = _SCORING.search(prose, max(0, match.start() - 80), match.end() + 40)
        if low < high <= 100 and is_near_scoring:
            return low, high
    levels = {int(level) for level in _LEVEL.findall(prose)}
    if len(levels) > 1:
        return min(levels), max(levels)
    return 0, 1
