"""Where the samples of a run went: the biggest causes in plain words, an example of each, and what to change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

from sdgkit.errors import RunError
from sdgkit.formatting import format_number, format_percent, pluralize
from sdgkit.funnel import StageLine, samples_kept
from sdgkit.journal import RecordedExchange
from sdgkit.pages import fill
from sdgkit.pages.picture import described
from sdgkit.samples import Row
from sdgkit.texts import load_texts

CAUSES = 3
MANY = 0.8  # the share of judgements that drop from which on the judge itself is in doubt
_READ, _LONGEST, _MOST = 400, 8, 3  # judgements read for phrases; words of a phrase; phrases told
_CLAUSE = re.compile(
    r"[^.!?;:,()\"\n\u201c\u201d\u201e\u00ab\u00bb\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]+"
)
_WORDS = re.compile(r"\w\S*\s.*\w")  # two of them at least: a table's bar is none


@dataclass(frozen=True)
class Cause:
    """Why rows left at one stage. words: what happened; advice: what to change; phrases: what was said most often
    (the judge's, the server's or a check's words), with how many of the drops that were read say it; example: the
    `Trace` of one of them."""

    stage: str
    reason: str
    number: int
    tried: int
    words: str
    advice: str
    phrases: Sequence[tuple[str, int]] = ()
    example: "RunTrace | None" = None


@dataclass(frozen=True)
class Explanation:
    """Where a run's samples went: prints as text, and as a page's section in a notebook (`html`).

    samples: kept; dropped: rows lost on the way; causes: at most three, the one that cost most samples first.
    """

    state: str
    seeds: int
    samples: int
    dropped: int
    causes: Sequence[Cause]

    def __repr__(self) -> str:
        return "".join(fill("explain.txt", explanation=self)).strip()

    @property
    def html(self) -> str:
        return "".join(fill("explain.html", explanation=self))

    def _repr_html_(self) -> str:
        return self.html


class Standing(Protocol):
    """Where a run stands: a `Summary`, or the `Snapshot` of a run that is still going on."""

    @property
    def state(self) -> str: ...
    @property
    def seeds(self) -> int: ...
    @property
    def stages(self) -> Sequence[StageLine]: ...


class RunTrace(Protocol):
    """One row's history, as a report shows it."""

    @property
    def id(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def reply(self) -> str: ...
    @property
    def exchanges(self) -> Sequence[RecordedExchange]: ...


class RunRecord(Protocol):
    """What a report reads of a run."""

    def samples(self) -> Iterator[Row]: ...
    def drops(self) -> Iterator[Row]: ...
    def trace(self, id: str) -> RunTrace: ...


def explain(standing: Standing, record: RunRecord) -> Explanation:
    """The explanation of a run, finished or not."""
    stages = standing.stages
    kept = samples_kept(stages)
    biggest = _biggest(stages)
    some = record.samples() if any(reason == "score" for _, reason, _ in biggest) else ()
    praise = [str(row.get("evaluation")) for row in islice(some, 0, None, kept // _READ + 1)]
    causes = []
    for at, reason, number in biggest:
        stage, tried = stages[at].name, stages[at].tried
        mine = (row for row in record.drops() if (row["stage"], row["reason"]) == (stage, reason))
        rows, said = list(islice(mine, 0, None, number // _READ + 1)), []
        texts = [str(row.get("evaluation" if reason == "score" else "message")) for row in rows]
        if reason == "score":
            said = phrases(texts, praise)
        elif "said" in _words(reason):  # of the server, or the check
            said = Counter(texts).most_common(2)
        saying = [sum(phrase in text for phrase, _ in said) for text in texts]
        typical = rows[saying.index(max(saying))] if rows else None
        example = None
        with suppress(
            RunError
        ):  # in a run that is going on, an earlier equal row may have taken its place by now
            example = record.trace(typical["id"]) if typical else None
        part = f"{format_number(number)} of {pluralize(tried, 'row')} ({format_percent(number / tried)})"
        before = [stage.name for stage in stages[:at]]
        told = advice(reason, stage, before, number / tried)
        happened = _words(reason)["what"].format(part=part)
        causes.append(Cause(stage, reason, number, tried, happened, told, said, example))
    dropped = sum(stage.dropped_rows for stage in stages)
    return Explanation(standing.state, standing.seeds, kept, dropped, causes)


def _biggest(stages: Sequence[StageLine]) -> list[tuple[int, str, int]]:
    """(place of the stage, reason, number) of the causes that cost most samples: a row counts as the rows that later
    stages would have made of it."""
    found: list[tuple[float, int, str, int]] = []
    worth = 1.0
    for at, stage in reversed(list(enumerate(stages))):
        lost = {
            reason: number for reason, number in stage.dropped.items() if reason != "target"
        }  # no loss
        found += [(worth * number, at, reason, number) for reason, number in lost.items()]
        worth *= max(1.0, stage.tried / stage.rows_in) if stage.rows_in else 1.0
    found.sort(key=lambda cause: -cause[0])
    return [cause[1:] for cause in found[:CAUSES]]


def phrases(texts: Sequence[str], others: Sequence[str] = ()) -> list[tuple[str, int]]:
    """What these texts say most often, and the others less: up to three phrases, each with how many texts have it.

    A phrase is up to eight words of one clause; of a script without spaces, a whole clause.
    """
    said, elsewhere = (
        Counter(chain.from_iterable(map(_phrases_in, some))) for some in (texts, others)
    )
    worth = {}
    for phrase, number in said.items():
        share = number / len(texts) - elsewhere[phrase] / max(1, len(others))
        if number >= max(2, len(texts) // 10) and share > 0:
            worth[phrase] = share * len(phrase.split()) ** 0.7  # a longer one tells more
    chosen: list[str] = []
    for phrase in sorted(worth, key=lambda one: (-worth[one], one)):
        if len(chosen) < _MOST and not any(_overlap(phrase, other) for other in chosen):
            chosen.append(phrase)
    return [(phrase, said[phrase]) for phrase in chosen]


def _phrases_in(text: str) -> set[str]:
    found = set()
    for clause in _CLAUSE.findall(text[:1_000]):
        words = clause.split()
        for start in range(len(words)):
            for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                found.add(" ".join(words[start:end]))
    return {phrase for phrase in found if _WORDS.search(phrase) or len(phrase) >= _LONGEST}


def _overlap(one: str, other: str) -> bool:
    """Whether half of the words of the shorter are in both."""
    mine, theirs = set(one.split()), set(other.split())
    return len(mine & theirs) * 2 >= min(len(mine), len(theirs))


def _words(reason: str) -> dict[str, str]:
    """What is said of a reason: of one that is not known here, what is said of checks."""
    reasons: dict[str, dict[str, str]] = load_texts("explain")["reasons"]
    return reasons.get(reason, reasons["check"])


def advice(reason: str, stage: str, before: Sequence[str], share: float = 0.0) -> str:
    """What to change where rows leave.

    before: the stages before this one. share: of the rows that came to it.
    """
    kinds = {described(name).kind: name for name in before}  # of each kind, the last one
    marks = {
        "judge": kinds.get("judge", stage),
        "writer": kinds.get("generate", stage),
        "stage": stage,
    }
    told = _words(reason)["advice"].format(**marks)
    return f"{load_texts('explain')['doubtful']} {told}" if reason == "score" and share >= MANY else told
