"""Can the judge be trusted?

It scores the seeds' responses, which are good, and damaged copies of them, each
beside another seed. It judges with the run's own evaluate prompt, and the run's own filter decides
what is kept. The replies are recorded in a journal, so a second calibration of the same judge asks
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from sdgkit.errors import FolderInUse, SeedError
from sdgkit.evaluation.damage import spoil
from sdgkit.evaluation.good_response import GoodResponse
from sdgkit.evaluation.judgement import Judgement, judge_rows, last_judge
from sdgkit.evaluation.leave_one_out import beside_each_other
from sdgkit.formatting import public_model_name
from sdgkit.keywords import known_keywords
from sdgkit.method import Prompts, Sampling, plan, run_folder
from sdgkit.pipeline import Pipeline
from sdgkit.quality.agreement import Agreement, compare_with_judge, judge_drops
from sdgkit.quality.verdicts import GOOD, RESPONSE_KINDS, Calibration, Mistake, Verdicts
from sdgkit.run import Run, open_run
from sdgkit.run.folder import CALIBRATION_FILE, write_calibrated, write_values
from sdgkit.run.plan import Plan
from sdgkit.samples import Row, seed_of
from sdgkit.seeds import SeedSource, row_key
from sdgkit.teachers.source import TeacherSource, teacher_of

FOLDER = "calibration"  # in a run's folder: the journal of its calibrations


@known_keywords
def calibrate(
    judge: TeacherSource,
    seeds: SeedSource | Run,
    *,
    out: str | Path | None = None,
    pipeline: Pipeline | None = None,
    prompts: Prompts = None,
    sampling: Sampling = None,
    max_tokens: int | None = None,
    structure: str | None = None,
) -> Calibration:
    """Count how many good responses a judge keeps, and how many damaged ones it lets through.

    Each seed's response is judged with another seed as the example, unchanged and damaged in the
    ways in which models damage responses.

    Args:
        judge: The teacher that judges.
        seeds: Anything that `load_seeds` accepts. Or a `Run` or its folder: then its seeds, prompts
            and filter are used, and the result is saved in its folder and shown in its report. The
            options below `out` are for seeds and folders; a `Run` has a plan of its own.
        out: A folder for the journal. By default it is in the run's folder; without a run, nothing
            is kept.
        pipeline: The pipeline whose last judge and filter are used; by default `GROUNDED` or
            `FREEFORM`, as the seeds require.
        prompts: A folder of prompts, or prompts by stage name; the shipped ones are used for the
            rest.
        sampling: Sampling settings by stage name, over the prompts' own.
        max_tokens: The longest reply, in tokens.
        structure: When to use structured output: "auto", "always" or "never" (as for `plan`).

    Returns:
        The counts by kind of damage, with their intervals, and how far the judge agrees with the
        review of the run, if there is one. They print as a table.

    Raises:
        SeedError: If there are not two different seeds of one task.
        SdgkitError: If the settings cannot be used, or the judge cannot be asked.

    Example:
        >>> import sdgkit as sk
        >>> seeds = sk.shipped("notebooks") / "seeds" / "feedback_to_table.jsonl"
        >>> with sk.connect("rehearsal") as judge:
        ...     calibration = sk.calibrate(judge, seeds)
        >>> print(calibration.good.kept, "of", calibration.good.asked)
        8 of 8
    """
    planned: Plan | None = None
    if isinstance(seeds, Run):
        folder = seeds.folder
        planned = seeds.plan
    else:
        folder = run_folder(seeds)
    if planned is None:
        planned = plan(
            folder or seeds,
            pipeline=pipeline,
            prompts=prompts,
            sampling=sampling,
            max_tokens=max_tokens,
            structure=structure,
        )
    journal = None
    if out is not None:
        journal = Path(out)
    if journal is None and folder is not None:
        journal = folder / FOLDER
    teacher = teacher_of(judge)
    judgements = judge_rows(teacher, _responses(planned.rows), planned, journal)
    prompt = last_judge(planned.pipeline).judge.name
    verdicts, mistakes = _sum_up(judgements)
    calibration = Calibration(
        judge=public_model_name(teacher.model),
        prompt=prompt,
        prompt_key=row_key(planned.prompts[prompt].as_json()),
        seeds=len(planned.rows),
        verdicts=verdicts,
        mistakes=mistakes,
        is_leave_one_out=True,
        agreement=_agreement(seeds, folder),
    )
    if folder is not None:
        write_values(folder / CALIBRATION_FILE, asdict(calibration))
        with suppress(FolderInUse):  # a run is writing it, and writes its report when it ends
            write_calibrated(folder)
    return calibration


def _agreement(seeds: SeedSource | Run, folder: Path | None) -> Agreement | None:
    """How far the judge of the run agrees with its review; None without a run or decisions."""
    if isinstance(seeds, Run):
        run = seeds
    elif folder is not None:
        run = open_run(folder)
    else:
        return None
    decisions = run.decisions
    if not decisions:
        return None
    drops = judge_drops(run.drops(), run.snapshot().stages)
    return compare_with_judge(decisions, run.samples(), drops)


def _responses(seeds: Sequence[Row]) -> list[Row]:
    """Every seed with another one as its example, with its own response and with damaged ones.

    Their ids are "s3/good", "s3/cut" and so on.

    Raises:
        SeedError: If there are not two different seeds of one task.
    """
    pairs = beside_each_other(seeds)
    if not pairs:
        raise SeedError(
            "Calibration judges each seed with another one of the same task as its example, so it "
            f"needs at least two different seeds; there {_are_seeds(len(seeds))}. Add a seed."
        )
    rows: list[Row] = []
    for pair in pairs:
        rows.append(pair.as_row(pair.response, GOOD))
        original = GoodResponse(pair.response, pair.source, str(pair.example["seed_response"]))
        for kind, response in spoil(original).items():
            rows.append(pair.as_row(response, kind))
    return rows


def _are_seeds(number: int) -> str:
    if number == 1:
        return "is one"
    return f"are {number}, all alike or of different tasks"


def _sum_up(judgements: Sequence[Judgement]) -> tuple[list[Verdicts], list[Mistake]]:
    """The counts of each kind of response, and what the judge got wrong."""
    verdicts: list[Verdicts] = []
    mistakes: list[Mistake] = []
    for kind in RESPONSE_KINDS:
        of_kind = []
        for it in judgements:
            if str(it.row["id"]).endswith(f"/{kind}"):
                of_kind.append(it)
        certain = []
        for it in of_kind:
            if it.kept is not None:
                certain.append(it)
        kept = [it for it in certain if it.kept]
        unsure = len(of_kind) - len(certain)
        verdicts.append(Verdicts(kind, asked=len(certain), kept=len(kept), unsure=unsure))
        for judgement in certain:
            if judgement.kept != (kind == GOOD):
                mistakes.append(_mistake(kind, judgement.row))
    return verdicts, mistakes


def _mistake(kind: str, row: Row) -> Mistake:
    return Mistake(
        id=seed_of(str(row["id"])),
        kind=kind,
        score=row["score"],
        words=row["evaluation"],
        response=row["response"],
    )
