"""Can the judge be believed? The seeds are known good; the same seeds, spoilt, are known bad. It is asked about both.

It is asked by the run's own evaluate prompt and by its own rule of what is kept, in a `Run` with a journal: a second
calibration of the same judge asks nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdgkit.errors import FolderInUse, RunError, SettingsError
from sdgkit.export.card import public
from sdgkit.journal import Journal
from sdgkit.method import plan, run_folder
from sdgkit.pipeline import Pipeline
from sdgkit.quality.verdicts import ASKED_ABOUT, GOOD, Calibration, Mistake, Verdicts, prompt_key
from sdgkit.run import Run
from sdgkit.run.folder import CALIBRATION, write_calibrated, write_values
from sdgkit.run.plans import Plan
from sdgkit.stages import Judge, Keep
from sdgkit.teachers.teacher import Teacher

FOLDER = "calibration"  # in a run's folder: the journal of a calibration


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
    rule are taken; the result is kept in its folder and shown in its report. prompts, pipeline, max_tokens: as of
    `generate`. out: a folder for the journal (of a run, its own); without it nothing is kept. Raises SdgkitError.
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
    judged = judge_rows(judge, [*good, *_spoilt(rows)], planned, out)
    found = _calibration(judged, judge, planned, len(rows))
    if folder is not None:
        write_values(folder / CALIBRATION, found.as_json())
        with suppress(FolderInUse):  # by a run, which writes its report when it ends
            write_calibrated(folder)
    return found


@dataclass(frozen=True)
class Judged:
    """Rows that a judge has seen. prompt: the evaluate prompt's name. verdicts: (row with `evaluation` and `score`,
    whether it is kept). unsure: drops, for rows on which it gave no verdict."""

    prompt: str
    verdicts: Sequence[tuple[Mapping[str, Any], bool]]
    unsure: Sequence[Mapping[str, Any]]


def judge_rows(
    judge: Teacher, rows: Sequence[Mapping[str, Any]], planned: Plan, out: str | Path | None = None
) -> Judged:
    """What the plan's last judge says of these rows, and what its rule makes of it. Raises SdgkitError."""
    stage, keep = judging(planned.pipeline)
    prompts = {stage.name: planned.prompts[stage.name]}
    plan = Plan(Pipeline("calibration", (stage,)), rows, prompts, judge, judge, structure=planned.structure)
    with closing(Journal(Path(out) if out is not None else None)) as journal:
        run = aside(plan, journal)
        verdicts = [(row, keep.lets_on(row[keep.column])) for row in run.samples()]
        return Judged(stage.name, verdicts, list(run.drops()))


def aside(plan: Plan, journal: Journal) -> Run:
    """A finished run that leaves its journal alone: no files, lest its rows be taken for samples, and no notes."""
    return Run(plan, journal=journal, reuse=True, on_note=lambda _: None).start().wait()


def judging(pipeline: Pipeline) -> tuple[Judge, Keep]:
    """The last judge of a pipeline and the rule by which its verdict is followed. Raises SettingsError."""
    stages = pipeline.stages
    for judge, at in reversed([(stage, at) for at, stage in enumerate(stages) if isinstance(stage, Judge)]):
        keep = next((stage for stage in stages[at:] if isinstance(stage, Keep)), None)
        if keep is not None:
            return judge, keep
    raise SettingsError(f"The pipeline {pipeline.name} has no judge whose verdict is followed.")


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


def _calibration(judged: Judged, judge: Teacher, planned: Plan, seeds: int) -> Calibration:
    verdicts, mistakes = [], []
    for kind in ASKED_ABOUT:
        mine = [(row, kept) for row, kept in judged.verdicts if row["id"].endswith(f"/{kind}")]
        unsure = sum(row["id"].endswith(f"/{kind}") for row in judged.unsure)
        verdicts.append(Verdicts(kind, len(mine), sum(kept for _, kept in mine), unsure))
        mistakes += [
            Mistake(row["id"].partition("/")[0], kind, row["score"], row["evaluation"])
            for row, kept in mine
            if kept != (kind == GOOD)
        ]
    key = prompt_key(planned.prompts[judged.prompt].as_json())
    return Calibration(public(judge.model), judged.prompt, key, seeds, verdicts, mistakes)
