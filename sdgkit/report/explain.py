"""Where the samples of a run went: the biggest causes in plain words, an example of each, and what to change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdgkit.export.card import samples_kept
from sdgkit.pages import count, counted, fill, percent, visible
from sdgkit.pages.picture import described
from sdgkit.texts import words

Row = Mapping[str, Any]
Exchanges = Callable[[str], Sequence[Mapping[str, Any]]]  # by a row's id, as in `Trace.exchanges`

CAUSES = 3
MANY = 0.8  # the share of judgements that drop from which on the judge itself is in doubt
_READ, _LONGEST, _WORDS = 400, 8, 150  # judgements read for phrases; words of a phrase, and read of one judgement
_PRINTED = 1_500  # characters of a prompt or reply where nothing unfolds
_CLAUSE = re.compile(r"[^.!?;:,()\"\n\u201c\u201d\u201e\u00ab\u00bb\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]+")


@dataclass(frozen=True)
class Example:
    """One dropped row. prompt: the messages really sent (none where the request was refused); reply: the raw one."""

    id: str
    message: str
    prompt: Sequence[Mapping[str, str]] = ()
    reply: str = ""


@dataclass(frozen=True)
class Cause:
    """Why rows left at one stage. words: what happened; advice: what to change; phrases: what was said most often
    (the judge's, the server's or a check's words), with how many of the drops that were read say it."""

    stage: str
    reason: str
    number: int
    tried: int
    words: str
    advice: str
    phrases: Sequence[tuple[str, int]] = ()
    example: Example | None = None


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

    @property
    def headline(self) -> str:
        """The numbers in one sentence."""
        seeds, lost = counted(self.seeds, "seed example"), f"{counted(self.dropped, 'row')} dropped on the way"
        yet = " so far" if self.state in ("running", "paused") else ""
        if self.samples:
            return f"{counted(self.samples, 'sample')} kept{yet} from {seeds}, {lost}."
        return f"No sample was kept{yet}. From {seeds}, {lost}."

    def __repr__(self) -> str:
        lines = [self.headline]
        if not self.samples and not self.dropped:
            lines.append("So none was made: look at the seeds that went in.")
        for place, cause in enumerate(self.causes, 1):
            lines += ["", f"{place}. {cause.stage}: {cause.words}"]
            lines += [f'   {number:>4} times "{phrase}"' for phrase, number in cause.phrases]
            lines.append(f"   What to change: {cause.advice}")
            if cause.example is not None:
                lines += _printed(cause.example)
        return str(visible("\n".join(lines)))

    @property
    def html(self) -> str:
        return "".join(fill("explain.html", explanation=self))

    def _repr_html_(self) -> str:
        return self.html


def explain(
    summary: Mapping[str, Any],
    samples: Callable[[], Iterable[Row]],
    drops: Callable[[], Iterable[Row]],
    exchanges: Exchanges | None = None,
) -> Explanation:
    """The explanation of a run, finished or not.

    summary: `state`, `seeds` and `stages`, as in summary.json. samples, drops: a new iterator over the rows of
    dataset.jsonl and dropped.jsonl at each call. exchanges: what was sent and replied for the row with an id.
    """
    stages = list(summary.get("stages") or [])
    biggest = _biggest(stages)
    sizes = {(line["name"], reason): number for line, reason, number in biggest}
    picked = _picked(drops, sizes) if sizes else {}
    judged, kept = any(reason == "score" for _, reason, _ in biggest), samples_kept(summary)
    some = _spread(samples(), kept) if judged else ()
    kept_words = [str(row["evaluation"]) for row in some if row.get("evaluation")]
    causes = []
    for line, reason, number in biggest:
        rows = picked.get((line["name"], reason), [])
        causes.append(_cause(stages, line, reason, number, rows, kept_words, exchanges))
    dropped = sum(number for line in stages for number in line["dropped"].values())
    seeds = summary.get("seeds") or (stages[0]["rows_in"] if stages else 0)
    return Explanation(str(summary.get("state") or ""), int(seeds), kept, dropped, causes)


def phrases(texts: Sequence[str], others: Sequence[str] = (), most: int = 3) -> list[tuple[str, int]]:
    """What these texts say most often, and the others less: up to `most` phrases, each with how many texts have it.

    A phrase is up to eight words of one clause; of a script without spaces, a whole clause.
    """
    found, elsewhere = _phrases_of(texts), _phrases_of(others)
    enough = max(2, len(texts) // 10)
    worth: dict[str, float] = {}
    for phrase, (number, _) in found.items():
        share = number / len(texts) - elsewhere.get(phrase, (0, ""))[0] / max(1, len(others))
        if number >= enough and share > 0:
            worth[phrase] = share * len(phrase.split()) ** 0.7
    chosen: list[str] = []
    for phrase in sorted(worth, key=lambda one: (-worth[one], one)):
        words = set(phrase.split())
        if all(len(words & set(other.split())) * 2 < min(len(words), len(other.split())) for other in chosen):
            chosen.append(phrase)
            if len(chosen) == most:
                break
    return [(found[phrase][1], found[phrase][0]) for phrase in chosen]


def _phrases_of(texts: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Every phrase, folded, with how many texts have it, and how the first of them spells it."""
    numbers: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    for text in texts:
        here: dict[str, str] = {}
        left = _WORDS
        for clause in _CLAUSE.findall(text):
            words = clause.split()[:left]
            left -= len(words)
            for start in range(len(words)):
                for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                    phrase = " ".join(words[start:end])
                    if end - start > 1 or len(phrase) >= _LONGEST:
                        here.setdefault(phrase.casefold(), phrase)
        numbers.update(here.keys())
        for folded, phrase in here.items():
            spelled.setdefault(folded, phrase)
    return {folded: (number, spelled[folded]) for folded, number in numbers.items()}


def _biggest(stages: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str, int]]:
    """The causes that cost most samples: a row counts as the rows that later stages would have made of it."""
    found: list[tuple[float, Mapping[str, Any], str, int]] = []
    worth = 1.0
    for line in reversed(stages):
        for reason, number in line["dropped"].items():
            if reason != "target":  # a surplus is not lost
                found.append((worth * number, line, reason, number))
        worth *= max(1.0, line["tried"] / line["rows_in"]) if line["rows_in"] else 1.0
    found.sort(key=lambda cause: -cause[0])
    return [(line, reason, number) for _, line, reason, number in found[:CAUSES]]


def _picked(drops: Callable[[], Iterable[Row]], sizes: Mapping[tuple[str, str], int]) -> dict[Any, list[Row]]:
    """Of each cause's drops, up to 400 from the beginning to the end, in one pass."""
    met: Counter[Any] = Counter()
    picked: dict[Any, list[Row]] = {key: [] for key in sizes}
    for row in drops():
        key = (str(row.get("stage")), str(row.get("reason")))
        if key in picked:
            if met[key] % (sizes[key] // _READ + 1) == 0:
                texts = {name: row.get(name) for name in ("id", "message", "reply", "evaluation")}
                picked[key].append({name: str(text or "")[:20_000] for name, text in texts.items()})
            met[key] += 1
    return picked


def _spread(rows: Iterable[Row], number: int) -> Iterable[Row]:
    return (row for place, row in enumerate(rows) if place % (number // _READ + 1) == 0)


def _cause(
    stages: Sequence[Mapping[str, Any]],
    line: Mapping[str, Any],
    reason: str,
    number: int,
    rows: Sequence[Row],
    kept_words: Sequence[str],
    exchanges: Exchanges | None,
) -> Cause:
    said: list[tuple[str, int]] = []
    if reason == "score":
        said = phrases([row["evaluation"] for row in rows if row["evaluation"]], kept_words)
    elif "said" in _words(reason):
        said = Counter(row["message"] for row in rows if row["message"]).most_common(2)
    typical = max(rows, key=lambda row: sum(phrase in row["evaluation"] for phrase, _ in said)) if rows else None
    sent: Mapping[str, Any] = {}
    if typical is not None and exchanges is not None and reason != "teacher_error":  # no reply, so nothing recorded
        sent = (list(exchanges(typical["id"])) or [{}])[-1]
    example = None
    if typical is not None:
        prompt = tuple(sent.get("messages") or ())
        example = Example(typical["id"], typical["message"], prompt, str(sent.get("text") or typical["reply"]))
    share, before = number / max(1, line["tried"]), [one["name"] for one in stages[: stages.index(line)]]
    part = f"{count(number)} of {counted(line['tried'], 'row')} ({percent(share)})"
    told = advice(reason, line["name"], before, sent.get("sampling") or {}, share)
    what = _words(reason)["what"].format(part=part)
    return Cause(line["name"], reason, number, line["tried"], what, told, said, example)


def _words(reason: str) -> dict[str, str]:
    """What is said of a reason: of one that is not known here, what is said of checks."""
    reasons: dict[str, dict[str, str]] = words("explain")["reasons"]
    return reasons.get("duplicate" if reason == "near_duplicate" else reason, reasons["check"])


def advice(reason: str, stage: str, before: Sequence[str], sampling: Mapping[str, Any], share: float = 0.0) -> str:
    """What to change where rows leave.

    before: the stages before this one. sampling: the settings in force. share: of the rows that came to it.
    """
    judge = next((name for name in reversed(before) if described(name).kind == "judge"), stage)
    writer = next((name for name in reversed(before) if described(name).kind == "generate"), stage)
    tokens, temperature = sampling.get("max_tokens"), sampling.get("temperature")
    told = _words(reason)["advice"].format(
        judge=judge,
        writer=writer,
        stage=stage,
        tokens=f" {2 * tokens}; it was {tokens}" if isinstance(tokens, int) else "",
        temperature=f" than {temperature:g}" if isinstance(temperature, int | float) else "",
    )
    return f"{words('explain')['doubtful']} {told}" if reason == "score" and share >= MANY else told


def _printed(example: Example) -> list[str]:
    lines = [f"   For example {example.id}: {example.message}"]
    for message in example.prompt:
        lines += _quoted(f"{message['role']} message sent", message["content"])
    return lines + (_quoted("raw reply", example.reply) if example.reply else [])


def _quoted(title: str, text: str) -> list[str]:
    """A text between its beginning and its end, which is where prompts say what they want."""
    if len(text) > _PRINTED:
        half = _PRINTED // 2
        text = f"{text[:half]}\n[… {count(len(text) - _PRINTED)} characters …]\n{text[-half:]}"
    return [f"     {title}:", *(f"       {line}" for line in text.splitlines())]
