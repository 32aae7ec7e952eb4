"""Reads a prompt as a model would: tags it asks for, the seed example, what is given, how many, which scale.

Nothing is known of sdgkit's own prompts here: any tags of the usual kinds are found, `[Start of X] …
[End of X]` in several languages, `<x>…</x>`, `[x]…[/x]`.
"""

import math
import re
from functools import lru_cache
from typing import NamedTuple

from sdgkit.rehearsal.wording import vocabulary

MOST_WANTED = 50  # pieces in one reply, whatever number the prompt names
WORDS = vocabulary("words")

_BETWEEN = rf"[\s_]+(?:(?:{WORDS['tags']['of']})[\s_]+)*"
_BEGINS = (
    rf"(?:(?P<end>/|(?:{WORDS['tags']['end']}){_BETWEEN})|(?:{WORDS['tags']['start']}){_BETWEEN})?"
)
_NAME = r"(?P<name>[^\W\d_][^\s\[\]<>|_]*(?:[\s_][^\s\[\]<>|_]+){0,3})"  # at most four words
_TAG = re.compile(rf"(?i)[\[<]\|?{_BEGINS}{_NAME}\|?[\]>]")
_RANGE = re.compile(WORDS["scale"]["range"])
_LEVEL = re.compile(r"(?im)^\W*(?:score\s*)?(\d{1,2})\)?\s*[:=\u2013\u2014-]")
_SCORING = re.compile(WORDS["scale"]["near"])

Messages = tuple[tuple[str, str], ...]  # a chat: the role and the text of each message


class Block(NamedTuple):
    """A pair of tags and the text between them.

    `role` is what stands there: context, question, response, evaluation, score or other. A block is `shown` if it is
    only there to show the form.
    """

    place: int
    role: str
    start: str
    text: str
    end: str
    shown: bool


class Assignment(NamedTuple):
    """What a prompt wants.

    `tags` are to be filled, `wanted` times. `seed` is the example in the prompt and `given` what is to be worked on,
    both by role (context, question, response). `rival` is a response that stands before the given one and is to be
    compared with it. `scale` is the judge's lowest and highest score. `prose` is the rest of the prompt.
    """

    tags: tuple[Block, ...]
    seed: dict[str, str]
    given: dict[str, str]
    rival: str | None
    wanted: int
    scale: tuple[int, int]
    prose: str

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


@lru_cache(maxsize=128)
def read(messages: Messages) -> Assignment:
    """Read a whole chat; the last tags in it are the ones asked for."""
    blocks, prose = _blocks("\n\n".join(text for _, text in messages))
    kept = [block for block in blocks if not block.shown]
    asked = {block.start: block for block in _asked(blocks, kept)}
    tags = tuple(
        tag._replace(role="response") if tag.role == "other" else tag for tag in asked.values()
    )
    roles = {tag.role for tag in tags}
    held = {
        role: [block for block in kept if block.role == role]
        for role in {block.role for block in kept}
    }
    if (
        "other" in held
    ):  # a tag of the user's own: data to work on, or the example of what is asked for
        held.setdefault("response" if "response" in roles else "context", held.pop("other"))
    # The example comes first; the given part begins where a tag of the example comes again. If none does, it is all
    # example where what is asked for is in it, and all given otherwise.
    whole = math.inf if roles & held.keys() else 0
    border = min((same[1].place for same in held.values() if len(same) > 1), default=whole)
    seed = {
        role: same[0].text for role, same in held.items() if same[0].place < border or role in roles
    }
    given = {
        role: same[-1].text
        for role, same in held.items()
        if same[-1].place >= border and role not in roles
    }
    rivals = {
        block.start: block.text for block in held.get("response", ()) if block.place >= border
    }
    rival = next(iter(rivals.values())) if len(rivals) == 2 and "response" in given else None
    scores = "".join(
        f"score {block.text}\n" for block in blocks if block.shown and block.role == "score"
    )
    wanted = _wanted(prose, tuple((tag.role, tag.start) for tag in tags))
    return Assignment(tags, seed, given, rival, wanted, _scale(scores + prose), prose)


def _blocks(text: str) -> tuple[list[Block], str]:
    """The tagged texts in order (nested ones belong to the outer), and the rest."""
    marks = list(_TAG.finditer(text))
    names = [mark["name"].lower() for mark in marks]
    blocks, prose, reached = [], [], 0
    for at, mark in enumerate(marks):
        partner = next(
            (marks[later] for later in range(at + 1, len(marks)) if names[later] == names[at]), None
        )
        if mark.start() >= reached and not mark["end"] and partner and partner["end"]:
            prose.append(text[reached : mark.start()])
            role, inner = _role(names[at]), text[mark.end() : partner.start()].strip()
            before = text[
                text.rfind("\n", max(0, mark.start() - 400), mark.start()) + 1 : mark.start()
            ]
            blocks.append(
                Block(
                    mark.start(), role, mark[0], inner, partner[0], _only_shows(inner, before, role)
                )
            )
            reached = partner.end()
    return blocks, "\n".join([*prose, text[reached:]])


def _only_shows(inner: str, before: str, role: str) -> bool:
    """Whether a block only shows the form: nothing in it, a mention within a sentence, words in brackets, a scale."""
    size, is_empty = len(inner.split()), not any(letter.isalnum() for letter in inner)
    is_mention = size <= 6 and any(letter.isalpha() for letter in before)
    in_brackets = (
        size <= 25 and inner[:1] + inner[-1:] in ("<>", "()", "{}", "[]") and '"' not in inner
    )
    is_scale = role == "score" and len(re.findall(r"\d+", inner)) > 1
    return is_empty or ("\n" not in inner and (is_mention or in_brackets or is_scale))


@lru_cache(maxsize=1024)
def _role(name: str) -> str:
    parts = {part for word in re.split(r"[\s_]", name) for part in (word, word.rstrip("s"))}
    return next((role for role, names in WORDS["roles"].items() if parts & set(names)), "other")


def _asked(blocks: list[Block], held: list[Block]) -> list[Block]:
    """The tags that the prompt asks for: shown last, or before the data; if none is, the example ends with it."""
    shown = [block for block in blocks if block.shown]
    asked = [block for block in shown if not held or block.place > held[-1].place]
    data = {block.start for block in held if shown and block.place > shown[-1].place}
    return asked or [block for block in shown if block.start not in data] or held[-1:]


@lru_cache(
    maxsize=256
)  # a stage's prompts differ in their tagged texts; the prose around those stays the same
def _wanted(prose: str, tags: tuple[tuple[str, str], ...]) -> int:
    """How many pieces: "Write 3 questions", "drei Fragen"; 1 if no number is named."""
    nouns = {
        noun
        for role, start in tags
        for noun in [*WORDS["roles"][role], *re.findall(r"\w+", start.lower())]
    }
    noun, number = "|".join(nouns), "|".join(WORDS["numbers"])
    pattern = rf"\b(\d{{1,3}}|{number})\s+(?:[\w-]+,?\s+){{0,4}}?(?:{noun})(?:s|n|en|es)?\b"
    found = re.findall(pattern, prose[-20_000:].lower()) if nouns else []
    counts = [
        count for count in (int(WORDS["numbers"].get(word, word)) for word in found) if count > 1
    ]
    return min(counts[-1], MOST_WANTED) if counts else 1


@lru_cache(maxsize=256)
def _scale(prose: str) -> tuple[int, int]:
    """The judge's scale: a range near a word like "score", or the levels that are listed; 0 to 1 if it is unclear."""
    for found in _RANGE.finditer(prose):
        low, high = map(int, found.groups())
        if low < high <= 100 and _SCORING.search(
            prose, max(0, found.start() - 80), found.end() + 40
        ):
            return low, high
    levels = {int(level) for level in _LEVEL.findall(prose)}
    return (min(levels), max(levels)) if len(levels) > 1 else (0, 1)
