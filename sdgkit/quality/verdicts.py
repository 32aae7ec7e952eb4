"""How far a judge can be believed: what it said of answers that are known to be good or bad."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sdgkit.pages import count, counted, fill, percent, visible

GOOD = "good"
ASKED_ABOUT = {
    GOOD: "good: the seeds' own answers",
    "swapped": "bad: another seed's answer",
    "cut": "bad: cut off in the middle",
    "numbers": "bad: its numbers changed",
}
HEAD = ("what the judge was asked about", "let through", "share", "")
CERTAINTY = 1.959964  # standard deviations of 95 %


def interval(part: float, whole: int) -> tuple[float, float]:
    """The interval in which a share lies at 95 %, for small numbers too (Wilson 1927, JASA 22:209)."""
    if not whole:
        return 0.0, 1.0
    share, z = part / whole, CERTAINTY
    middle, spread = share + z * z / (2 * whole), z * math.sqrt(share * (1 - share) / whole + (z / whole) ** 2 / 4)
    return max(0.0, (middle - spread) / (1 + z * z / whole)), min(1.0, (middle + spread) / (1 + z * z / whole))


def prompt_key(parts: Mapping[str, Any]) -> str:
    """What tells one prompt from another."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Verdicts:
    """What the judge says of one kind of answer.

    kind: "good", or a kind of damage. asked: how many it judged. kept: how many of them it lets through. unsure: how
    many more it gave no verdict on. low, high: between what the share that it keeps lies, at 95 % (Wilson 1927).
    """

    kind: str
    asked: int
    kept: int
    unsure: int = 0

    @property
    def low(self) -> float:
        return interval(self.kept, self.asked)[0]

    @property
    def high(self) -> float:
        return interval(self.kept, self.asked)[1]


@dataclass(frozen=True)
class Mistake:
    """A good answer that it would drop, or a bad one that it lets through. id: the seed's. words: what it wrote."""

    id: str
    kind: str
    score: float
    words: str


@dataclass(frozen=True)
class Calibration:
    """How far a judge can be believed. judge: its model's name. prompt: the evaluate prompt's, and what it says as a
    key."""

    judge: str
    prompt: str
    prompt_key: str
    seeds: int
    verdicts: Sequence[Verdicts]
    mistakes: Sequence[Mistake] = ()

    @property
    def good(self) -> Verdicts:
        """What it says of the seeds' own answers."""
        return next(one for one in self.verdicts if one.kind == GOOD)

    @property
    def bad(self) -> Verdicts:
        """What it says of all spoilt answers together."""
        spoilt = [one for one in self.verdicts if one.kind != GOOD]
        return Verdicts("spoilt", *(sum(getattr(one, n) for one in spoilt) for n in ("asked", "kept", "unsure")))

    def as_json(self) -> dict[str, Any]:
        """As JSON values; `Calibration.from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Calibration":
        """The calibration that `as_json` gave."""
        verdicts, mistakes = [Verdicts(**one) for one in values["verdicts"]], values["mistakes"]
        return cls(**{**values, "verdicts": verdicts, "mistakes": [Mistake(**one) for one in mistakes]})

    def fits(self, judge: Any, prompts: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is about this judge with these prompts (by name, as `Prompt.as_json` gives them)."""
        return self.judge == judge and self.prompt_key == prompt_key(prompts.get(self.prompt, {}))

    def table(self, made: tuple[int, int] | None = None) -> list[list[str]]:
        """What it was asked about, how much of it is let through, the share with its interval, what is missing.

        made: (let through, judged) of a run's own rows, to stand beside.
        """
        rows = [
            [
                ASKED_ABOUT[one.kind],
                f"{count(one.kept)} of {count(one.asked)}",
                f"{percent(one.kept / one.asked)} ({percent(one.low)} to {percent(one.high)})" if one.asked else "",
                f"{one.unsure} without a verdict" if one.unsure else "",
            ]
            for one in self.verdicts
        ]
        if made is not None and made[1]:
            rows.append(["what this run made", f"{count(made[0])} of {count(made[1])}", percent(made[0] / made[1]), ""])
        return rows

    def html(self, made: tuple[int, int] | None = None) -> str:
        """The table for a notebook or a page; made: as of `table`."""
        rows = [*self.table(made), *([f"{m.id} ({m.kind})", f"given {m.score:g}", m.words, ""] for m in self._examples)]
        return "".join(fill("measures.html", head=HEAD, rows=rows, note=self._note))

    @property
    def _examples(self) -> Sequence[Mistake]:
        return self.mistakes[:3]

    @property
    def _note(self) -> str:
        asked = f"on the answers of {counted(self.seeds, 'seed example')}, as they are and spoilt,"
        where = "In brackets stands where the share may lie (95 %): with few seeds that is wide."
        return f"The judge {self.judge} {asked} by the prompt {self.prompt}. {where}"

    def __repr__(self) -> str:
        rows = [HEAD, *self.table()]
        lines = [f"{what:<34}{number:<13}{share:<24}{more}".rstrip() for what, number, share, more in rows]
        told = [f"  {m.id} ({m.kind}), given {m.score:g}: {' '.join(m.words.split())[:200]}" for m in self._examples]
        return str(visible("\n".join([*lines, *told, self._note])))

    def _repr_html_(self) -> str:
        return self.html()
