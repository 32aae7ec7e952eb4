"""Can the judge be believed? The seeds are known good; the same seeds, spoilt, are known bad. It is asked about both.

It is asked by the run's own evaluate prompt and by its own rule of what is kept, in a `Run` with a journal: a second
calibration of the same judge asks nothing.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdgkit.errors import FolderInUse, SettingsError
from sdgkit.evaluation.quiet_runs import run_stage
from sdgkit.formatting import public_model_name
from sdgkit.journal import Journal
from sdgkit.method import plan, run_folder
from sdgkit.pipeline import Pipeline
from sdgkit.quality.verdicts import ASKED_ABOUT, GOOD, Calibration, Mistake, Verdicts
from sdgkit.run import Run
from sdgkit.run.folder import CALIBRATION, write_calibrated, write_values
from sdgkit.run.plan import Plan
from sdgkit.seeds import row_key
from sdgkit.stages import Judge, Keep, Row
from sdgkit.teachers.teacher import Teacher

FOLDER = "calibration"  # in a run's folder: the journal of a calibration
LEAST = 20  # characters of an answer that can be cut


def calibrate(
    judge: Teacher, seeds: Any, *, out: str | Path | None = None, **settings: Any
) -> Calibration:
    """How many good answers the judge keeps, and how many bad ones it lets through, by kind of damage.

    judge: the teacher that judges. seeds: what `load_seeds` takes; or a `Run`, or its folder, whose seeds, prompts and
    rule are taken; the result is kept in its folder and shown in its report. out: a folder for the journal (of a run,
    its own); without it nothing is kept. settings: as of `generate`, such as prompts. Raises SdgkitError.
    """
    folder = seeds.out if isinstance(seeds, Run) else run_folder(seeds)
    known = seeds.plan if isinstance(seeds, Run) else None
    planned = known or plan(folder or seeds, **settings)
    rows = [{"id": f"s{n}", **as_sample(seed)} for n, seed in enumerate(planned.rows, 1)]
    journal = out or (folder / FOLDER if folder is not None else None)
    judged = judge_rows(judge, list(_answers(rows)), planned, journal)
    verdicts, mistakes = [], []
    for kind in ASKED_ABOUT:
        mine = [(row, kept) for row, kept in judged if row["id"].endswith(f"/{kind}")]
        sure = [(row, kept) for row, kept in mine if kept is not None]
        verdicts.append(
            Verdicts(kind, len(sure), sum(kept for _, kept in sure), len(mine) - len(sure))
        )
        wrong = [row for row, kept in sure if kept != (kind == GOOD)]
        mistakes += [
            Mistake(row["id"].partition("/")[0], kind, row["score"], row["evaluation"])
            for row in wrong
        ]
    prompt = judging(planned.pipeline)[0].name
    key = row_key(planned.prompts[prompt].as_json())
    found = Calibration(public_model_name(judge.model), prompt, key, len(rows), verdicts, mistakes)
    if folder is not None:
        write_values(folder / CALIBRATION, asdict(found))
        with suppress(FolderInUse):  # by a run, which writes its report when it ends
            write_calibrated(folder)
    return found


def judge_rows(
    judge: Teacher, rows: Sequence[Row], planned: Plan, out: str | Path | None = None
) -> list[tuple[Row, bool | None]]:
    """(row with `evaluation` and `score`, whether it is kept) for each of the rows, by the plan's last judge and its
    rule; (drop, None) where it gave no verdict. Raises SdgkitError."""
    stage, keep = judging(planned.pipeline)
    with closing(Journal(Path(out) if out is not None else None)) as journal:
        run = run_stage(
            stage, planned.prompts[stage.name], rows, judge, journal, structure=planned.structure
        )
        verdicts = [(row, keep.lets_on(row[keep.column])) for row in run.samples()]
        return [*verdicts, *((drop, None) for drop in run.drops())]


def as_sample(seed: Row) -> dict[str, Any]:
    """A seed as a sample of itself: its context, question and response, to be judged beside it."""
    own = {
        name.removeprefix("seed_"): value
        for name, value in seed.items()
        if name.startswith("seed_")
    }
    return {**{name: value for name, value in seed.items() if name != "id"}, **own}


def judging(pipeline: Pipeline) -> tuple[Judge, Keep]:
    """The last judge of a pipeline and the rule by which its verdict is followed. Raises SettingsError."""
    keep = None
    for stage in reversed(pipeline.stages):
        keep = stage if isinstance(stage, Keep) else keep
        if isinstance(stage, Judge) and keep is not None:
            return stage, keep
    raise SettingsError(f"The pipeline {pipeline.name} has no judge whose verdict is followed.")


def _answers(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Every seed with its own answer, and with it spoilt in each way in which it can be."""
    for at, row in enumerate(rows):
        own, others = (
            row["response"],
            [other["response"] for other in [*rows[at + 1 :], *rows[:at]]],
        )
        other = next((answer for answer in others if answer != own), "")
        for kind, text in {
            GOOD: own,
            "swapped": other,
            "cut": _cut(own),
            "numbers": _changed(own),
        }.items():
            if text:
                yield {**row, "response": text, "id": f"{row['id']}/{kind}"}


def _cut(text: str) -> str:
    """The first half, to the middle of a sentence; "" if it is too short to be cut."""
    half = text[: len(text) // 2]
    return (half.rpartition(" ")[0] or half).rstrip(" .!?\n") if len(text) >= LEAST else ""


def _changed(text: str) -> str:
    """With every number another one of as many digits; "" if there is none (the numbers of list items stay)."""
    changed = re.sub(
        r"(?m)^\s*\d+[.)]\s|\d",
        lambda m: m[0] if len(m[0]) > 1 else str((int(m[0]) + 3) % 9 + 1),
        text,
    )
    return changed if changed != text else ""
