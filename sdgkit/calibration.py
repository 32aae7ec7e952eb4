"""Can the judge be believed? The seeds are known good; the same seeds, spoilt, are known bad. It is asked about both.

It is asked by the run's own evaluate prompt and by its own rule of what is kept, in a `Run` with a journal: a second
calibration of the same judge asks nothing.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdgkit.errors import RunError, SettingsError
from sdgkit.export import write_text
from sdgkit.method import plan, run_folder
from sdgkit.pages import fill
from sdgkit.pipeline import Pipeline
from sdgkit.plans import Plan
from sdgkit.run import Run
from sdgkit.stages import Judge, Keep, Stage, Step
from sdgkit.teachers.teacher import Teacher

FILE, FOLDER = "calibration.json", "calibration"  # in a run's folder: the result, and the journal that it comes from
GOOD = "good"
SPOILT = {"swapped": "another seed's answer", "cut": "cut off in the middle", "numbers": "its numbers changed"}
CERTAINTY = 1.959964  # standard deviations of 95 %


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
        return wilson(self.kept, self.asked)[0]

    @property
    def high(self) -> float:
        return wilson(self.kept, self.asked)[1]


@dataclass(frozen=True)
class Mistake:
    """A good answer that it would drop, or a bad one that it lets through. id: the seed's. words: what it wrote."""

    id: str
    kind: str
    score: float
    words: str


@dataclass(frozen=True)
class Calibration:
    """How far a judge can be believed. judge: its model's name. prompt: the evaluate prompt's."""

    judge: str
    prompt: str
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
        """As JSON values, with the intervals; `Calibration.from_json` reads them."""
        verdicts = [{**asdict(one), "low": one.low, "high": one.high} for one in self.verdicts]
        return {**asdict(self), "verdicts": verdicts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Calibration":
        """The calibration that `as_json` gave."""
        verdicts = [Verdicts(v["kind"], v["asked"], v["kept"], v["unsure"]) for v in values["verdicts"]]
        return cls(**{**values, "verdicts": verdicts, "mistakes": [Mistake(**one) for one in values["mistakes"]]})

    def _table(self) -> Iterator[list[str]]:
        for one in self.verdicts:
            what = "good, and kept" if one.kind == GOOD else f"{SPOILT[one.kind]}, and let through"
            share = (
                f"{one.kept / one.asked:.0%} ({one.low:.0%} to {one.high:.0%})" if one.asked else "none to ask about"
            )
            yield [what, f"{one.kept} of {one.asked}", share, f"{one.unsure} without a verdict" if one.unsure else ""]

    def _note(self) -> str:
        said = (
            f"The judge {self.judge} on {self.seeds} seeds by the prompt {self.prompt}; in brackets, where the share "
        )
        return f"{said}may lie (95 %): with few seeds it is wide."

    def __repr__(self) -> str:
        lines = [f"{what:<42}{number:<12}{share:<26}{more}".rstrip() for what, number, share, more in self._table()]
        told = [f"  {m.id} ({m.kind}), given {m.score:g}: {' '.join(m.words.split())[:200]}" for m in self.mistakes[:3]]
        return "\n".join([*lines, *told, self._note()])

    def _repr_html_(self) -> str:
        rows = [*self._table(), *([f"{m.id} ({m.kind})", f"given {m.score:g}", m.words, ""] for m in self.mistakes[:3])]
        return "".join(fill("measures.html", head=["", "", "", ""], rows=rows, note=self._note()))


def calibrate(
    judge: Teacher,
    seeds: Any,
    *,
    prompts: Any = None,
    pipeline: Pipeline | None = None,
    max_tokens: int | None = None,
    out: str | Path | None = None,
) -> Calibration:
    """How many good answers the judge keeps, and how many bad ones it lets through, by kind of damage.

    judge: the teacher that judges. seeds: what `load_seeds` takes; or a `Run`, or its folder, whose seeds, prompts and
    rule are taken and into whose folder calibration.json is written. prompts, pipeline, max_tokens: as of `generate`.
    out: a folder for the journal (of a run, its own); without it nothing is kept. Raises SdgkitError.
    """
    folder = seeds.out if isinstance(seeds, Run) else run_folder(seeds)
    if isinstance(seeds, Run) and seeds.plan is not None:
        planned = seeds.plan
    elif isinstance(seeds, Run) and folder is None:
        raise RunError("This run has no plan and no folder to take its seeds from. Give the seeds.")
    else:
        source = folder if folder is not None else seeds
        planned = plan(source, prompts=prompts, pipeline=pipeline, max_tokens=max_tokens)
    if folder is not None and out is None:
        out = folder / FOLDER
    rows = [{"id": f"s{n}", **seed} for n, seed in enumerate(map(as_sample, planned.rows), 1)]
    good = [{**row, "id": f"{row['id']}/{GOOD}"} for row in rows]
    found = _calibration(judge_rows(judge, [*good, *_spoilt(rows)], planned, out), judge, len(rows))
    if folder is not None:
        write_text(folder / FILE, [json.dumps(found.as_json(), ensure_ascii=False, indent=2), "\n"])
    return found


def read_calibration(folder: str | Path) -> Calibration | None:
    """The calibration in a run's folder, None if there is none."""
    path = Path(folder) / FILE
    return Calibration.from_json(json.loads(path.read_text("utf-8"))) if path.exists() else None


@dataclass(frozen=True)
class Judged:
    """Rows that a judge has seen. prompt: the evaluate prompt's name. verdicts: (row with `evaluation` and `score`,
    whether it is kept). unsure: drops, for rows on which it gave no verdict."""

    prompt: str
    verdicts: Sequence[tuple[Mapping[str, Any], bool]]
    unsure: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Forget(Stage):
    """Takes the texts that were judged off the row, lest spoilt answers be trained on."""

    async def change(self, step: Step) -> dict[str, Any]:
        return {name: value for name, value in step.row.items() if name not in ("context", "question", "response")}


def judge_rows(
    judge: Teacher, rows: Sequence[Mapping[str, Any]], planned: Plan, out: str | Path | None = None
) -> Judged:
    """What the plan's last judge says of these rows, and what its rule makes of it. Raises SdgkitError."""
    stage, keep = judging(planned.pipeline)
    prompts = {stage.name: planned.prompts[stage.name]}
    pipeline = Pipeline("calibration", (stage, Forget(name="forget")))
    run = Run(
        Plan(pipeline, rows, prompts, judge, judge, structure=planned.structure),
        out,
        reuse=True,  # other seeds in the same folder are no other job here
        on_note=lambda _: None,
    )
    run.start().wait()
    verdicts = [(row, keep.lets_on(row[keep.column])) for row in run.samples()]
    return Judged(stage.name, verdicts, list(run.drops()))


def judging(pipeline: Pipeline) -> tuple[Judge, Keep]:
    """The last judge of a pipeline and the rule by which its verdict is followed. Raises SettingsError."""
    stages = pipeline.stages
    for judge, at in reversed([(stage, at) for at, stage in enumerate(stages) if isinstance(stage, Judge)]):
        keep = next((stage for stage in stages[at:] if isinstance(stage, Keep)), None)
        if keep is not None:
            return judge, keep
    raise SettingsError(f"The pipeline {pipeline.name} has no judge whose verdict is followed.")


def wilson(kept: float, asked: int) -> tuple[float, float]:
    """The interval in which a share lies at 95 %, for small numbers too (Wilson 1927, JASA 22:209)."""
    if not asked:
        return 0.0, 1.0
    share, z2 = kept / asked, CERTAINTY**2
    middle = (share + z2 / (2 * asked)) / (1 + z2 / asked)
    half = CERTAINTY / (1 + z2 / asked) * math.sqrt(share * (1 - share) / asked + z2 / (4 * asked**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def as_sample(seed: Mapping[str, Any]) -> dict[str, Any]:
    """A seed as a sample of itself: its context, question and response, to be judged beside it."""
    own = {name.removeprefix("seed_"): value for name, value in seed.items() if name.startswith("seed_")}
    return {**{name: value for name, value in seed.items() if name != "id"}, **own}


def _spoilt(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every seed with its answer spoilt in each way in which it can be."""
    for at, row in enumerate(rows):
        answer = row["response"]
        others = [other["response"] for other in [*rows[at + 1 :], *rows[:at]] if other["response"] != answer]
        spoilt = {"swapped": others[0] if others else None, "cut": _cut(answer), "numbers": _changed(answer)}
        for kind, text in spoilt.items():
            if text:
                yield {**row, "response": text, "id": f"{row['id']}/{kind}"}


def _cut(text: str) -> str:
    """The first half, to the middle of a sentence; "" if it is too short to be cut."""
    words = list(re.finditer(r"\S+", text))
    if len(words) < 4:
        return ""
    for word in reversed(words[: len(words) // 2 + 1]):
        if re.search(r"\w$", word[0]):
            return text[: word.end()]
    return text[: words[len(words) // 2].start()].rstrip()


def _changed(text: str) -> str:
    """With every number another one of as many digits; "" if there is none (the numbers of list items stay)."""
    changed = re.sub(r"(?m)^\s*\d+[.)]\s|\d", lambda m: m[0] if len(m[0]) > 1 else str((int(m[0]) + 3) % 9 + 1), text)
    return changed if changed != text else ""


def _calibration(judged: Judged, judge: Teacher, seeds: int) -> Calibration:
    verdicts, mistakes = [], []
    for kind in (GOOD, *SPOILT):
        mine = [(row, kept) for row, kept in judged.verdicts if row["id"].endswith(f"/{kind}")]
        unsure = sum(row["id"].endswith(f"/{kind}") for row in judged.unsure)
        verdicts.append(Verdicts(kind, len(mine), sum(kept for _, kept in mine), unsure))
        mistakes += [
            Mistake(row["id"].partition("/")[0], kind, row["score"], row["evaluation"])
            for row, kept in mine
            if kept != (kind == GOOD)
        ]
    return Calibration(judge.model, judged.prompt, seeds, verdicts, mistakes)
