"""A pipeline of your own, such as another tool's flow, on rows with columns of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdgkit.checks import CheckSource, read_checks, saved
from sdgkit.keywords import as_path, as_text, known_keywords
from sdgkit.method.choose_prompts import choose_prompts
from sdgkit.method.options import Prompts
from sdgkit.method.sources import default_folder, source_name
from sdgkit.pipeline import Pipeline
from sdgkit.run import Run
from sdgkit.run.plan import Plan
from sdgkit.seeds import SeedSource, read_rows
from sdgkit.teachers.source import TeacherSource, teacher_of


@known_keywords
def run_pipeline(
    rows: SeedSource,
    *,
    pipeline: Pipeline | str | Path,
    teacher: TeacherSource,
    out: str | Path | None = None,
    reuse: bool = False,
    judge: TeacherSource | None = None,
    prompts: Prompts = None,
    sampling: Mapping[str, Mapping[str, Any]] | None = None,
    max_tokens: int | None = None,
    checks: CheckSource = None,
    structure: str | None = None,
    system: str | None = None,
    encoding: str | None = None,
) -> Run:
    """Run a pipeline on rows that need not be seeds: their columns are those of its prompts.

    Args:
        rows: A file, a folder, a dataset or dictionaries, as `load_seeds` reads them, with whatever
            columns the pipeline's prompts use.
        pipeline: The pipeline, or a flow file of sdg_hub 0.1 or InstructLab SDG.
        teacher: The teacher that the stages ask.
        out: The run's folder (default: `runs/NAME` for a file NAME; otherwise in memory).
        reuse: Continue in the folder of another job and reuse its recorded replies where they fit.
        judge: Another teacher for the judging stages.
        prompts: Prompts by stage name, or a folder of YAML files named after the stages (default:
            the pipeline's own).
        sampling: Sampling settings by stage name, over those of the prompts.
        max_tokens: The longest reply, in tokens (default: as each prompt says).
        checks: Checks from `sdgkit.checks`, or Python functions of a row.
        structure: When the server enforces the form of a reply: "auto", "always" or "never".
        system: Your own system message, for training files.
        encoding: The encoding of a text file that is not UTF-8.

    Returns:
        The finished run.

    Raises:
        SdgkitError: The run cannot start, or stopped.

    Example:
        >>> import sdgkit as sk
        >>> join = sk.Combine(name="join", column="question", parts=("greeting", "text"))
        >>> with sk.connect("rehearsal") as teacher:
        ...     run = sk.run_pipeline(
        ...         [{"greeting": "Hello", "text": "Bye"}],
        ...         pipeline=sk.Pipeline("join", (join,)),
        ...         teacher=teacher,
        ...     )
        >>> run.dataset[0]["question"]
        'Hello\\n\\nBye'
    """
    folder = as_path("out", out)
    if folder is None:
        folder = default_folder(rows)
    plan = plan_pipeline(
        rows,
        pipeline,
        prompts=prompts,
        sampling=sampling,
        max_tokens=max_tokens,
        checks=checks,
        structure=structure,
        system=system,
        encoding=encoding,
        teacher=teacher,
        judge=judge,
    )
    return Run(plan, folder, reuse=reuse).start().wait()


def plan_pipeline(
    rows: SeedSource,
    pipeline: Pipeline | str | Path,
    *,
    prompts: Prompts = None,
    sampling: Mapping[str, Mapping[str, Any]] | None = None,
    max_tokens: int | None = None,
    checks: CheckSource = None,
    structure: str | None = None,
    system: str | None = None,
    encoding: str | None = None,
    teacher: TeacherSource | None = None,
    judge: TeacherSource | None = None,
) -> Plan:
    """The plan of `run_pipeline`, with the same arguments."""
    if not isinstance(pipeline, Pipeline):
        pipeline = Pipeline.from_flow(pipeline)
    read = read_checks(checks)
    pipeline = pipeline.with_checks(read)
    settings = {
        "structure": structure,
        "checks": [saved(check) for check in read] or None,
    }
    recorded = {}
    for name, value in settings.items():
        if value is not None:
            recorded[name] = value
    return Plan(
        pipeline=pipeline,
        rows=read_rows(rows, encoding=encoding),
        prompts=choose_prompts(pipeline, prompts, sampling, max_tokens),
        teacher=teacher_of(teacher),
        judge=teacher_of(judge),
        settings=recorded,
        system=as_text("system", system),
        name=source_name(rows),
        structure=structure or "auto",
    )
