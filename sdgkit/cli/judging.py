"""The commands that look at seeds and judges: check, study, calibrate, evaluate."""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdgkit.cli.commands import LIMIT_SETTINGS, argument, command, option
from sdgkit.cli.documents import calibrate_document, check_document, evaluate_document
from sdgkit.cli.exit_status import DONE, FAILED
from sdgkit.cli.option_groups import OptionGroup, option_group
from sdgkit.cli.options import (
    SEEDS_HELP,
    JudgeOptions,
    LimitOptions,
    SeedOptions,
    TeacherOptions,
    beside,
    judge_options,
    limit_options,
    reports,
    seed_options,
    teacher_options,
)
from sdgkit.cli.output import print_document
from sdgkit.cli.runs import run_argument
from sdgkit.cli.teachers import ASK_PATIENCE_S
from sdgkit.cli.terminal import REHEARSAL_ANSWERS, say
from sdgkit.cli.value_types import COUNT, FOLDER, PATH, SHARE
from sdgkit.errors import SettingsError

if TYPE_CHECKING:
    from sdgkit.run import Run
    from sdgkit.teachers import Teacher


@command()
@reports
@argument("seeds", metavar="SEEDS", help=SEEDS_HELP)
@seed_options
@option(
    "--with-teacher",
    is_flag=True,
    help="also have the teacher judge each seed, with another seed as its example, as in a run",
)
@option(
    "--prompts",
    metavar="FOLDER",
    type=FOLDER,
    help="your own prompts for the judge, one STAGE.yaml each",
)
@teacher_options
@limit_options
def check(
    seeds: str,
    reading: SeedOptions,
    with_teacher: bool,
    prompts: str | None,
    teacher: TeacherOptions,
    limits: LimitOptions,
) -> int:
    """Check seed examples before you pay for anything: is the task clear, do they vary?

    The exit status is 1 if there are errors, which would teach a model something wrong.

    Examples:
      sdgkit check seeds.jsonl
      sdgkit check seeds.jsonl --with-teacher --base-url http://localhost:8000/v1
    """
    from sdgkit.evaluation.seed_check import check_seeds
    from sdgkit.teachers import connect

    if with_teacher:
        options = {"patience": ASK_PATIENCE_S, **teacher.typed(), **limits.typed()}
        with connect(**options) as judge:
            findings = check_seeds(seeds, judge, prompts=prompts, **reading.typed())
    elif teacher or prompts or limits:
        raise SettingsError(
            "A teacher, its limits and prompts are used only for judging: add --with-teacher.",
            setting="with_teacher",
        )
    else:
        findings = check_seeds(seeds, **reading.typed())
    say(findings)
    exit_status = DONE
    if findings.count("error"):
        exit_status = FAILED
    print_document("check", check_document(findings, exit_status))
    return exit_status


@command(takes=LIMIT_SETTINGS)
@argument("seeds", metavar="SEEDS", help=SEEDS_HELP)
@seed_options
@option(
    "--to",
    metavar="FILE.yaml",
    type=PATH,
    help="where to write the profile (default: it is printed)",
)
@option(
    "--prompts",
    metavar="FOLDER",
    type=FOLDER,
    help="your own prompts for the study: write_profile.yaml, test_criteria.yaml",
)
@option("--json", "as_json", is_flag=True, help="print the profile as JSON")
@teacher_options
@judge_options
@limit_options
def study(
    seeds: str,
    reading: SeedOptions,
    to: str | None,
    prompts: str | None,
    as_json: bool,
    teacher: TeacherOptions,
    judge: JudgeOptions,
    limits: LimitOptions,
) -> None:
    """Let the teacher study the seeds and write the profile of the skill.

    The profile says which criteria every response must meet, how the material can vary, and what is
    checked. Read it before you generate: it shows whether the teacher has understood the task. Edit
    it, and pass it to `sdgkit generate --profile`.

    Examples:
      sdgkit study seeds.jsonl --to profile.yaml
      sdgkit study seeds.jsonl --base-url http://localhost:8000/v1
    """
    from sdgkit.run.profiles import profile_notes
    from sdgkit.studies import study as study_seeds
    from sdgkit.teachers import connect

    with ExitStack() as connections:
        connected = connections.enter_context(connect(**teacher.typed(), **limits.typed()))
        referee = None
        if judge:
            judge_arguments = judge.connect_arguments(teacher.typed())
            referee = connections.enter_context(connect(**judge_arguments, **limits.typed()))
        profile = study_seeds(
            seeds, teacher=connected, judge=referee, prompts=prompts, **reading.typed()
        )
    if to is not None:
        say(f"{profile.save(to)}: {profile.summary()}.")
    if as_json:
        say(json.dumps(profile.as_json(), ensure_ascii=False, indent=2))
    elif to is None:
        say(str(profile).rstrip())
    for note in profile_notes(profile):
        say(note, sys.stderr)


@command(takes=LIMIT_SETTINGS)
@reports
@run_argument
@judge_options
@limit_options
def calibrate(run: "Run", judge: JudgeOptions, limits: LimitOptions) -> None:
    """Find out whether the judge can be trusted.

    The judge scores the run's seeds, which are good, and damaged copies of them. The run's report
    then shows, next to the yield, how many good answers the judge keeps and how many
    bad ones it lets through.

    Example:
      sdgkit calibrate runs/seeds
    """
    from sdgkit.evaluation.calibration import calibrate as calibrate_judge
    from sdgkit.teachers import connect

    with connect(**_judge_of(run, judge), **limits.typed()) as referee:
        calibration = calibrate_judge(referee, run)
        say(calibration)
        print_document("calibrate", calibrate_document(run, calibration))
        _print_rehearsal_notice([referee])


@dataclass(frozen=True)
class RivalOptions(OptionGroup):
    """A second model, whose answers are compared with the tuned one's."""

    against: str | None = None
    against_model: str | None = None


@command(takes=LIMIT_SETTINGS)
@reports
@run_argument
@option(
    "--test-share",
    metavar="SHARE",
    type=SHARE,
    default=0.1,
    help="as in the export that the model was trained on (default 0.1)",
)
@option("--limit", metavar="N", type=COUNT, help="maximum number of questions")
@teacher_options
@option_group(
    "rival",
    RivalOptions,
    option(
        "--against",
        metavar="URL",
        section="The second model",
        help="the server of a second model, such as the untuned one",
    ),
    option(
        "--against-model",
        metavar="NAME",
        section="The second model",
        help="the second model, on that server or on the first one's",
    ),
)
@judge_options
@limit_options
def evaluate(
    run: "Run",
    test_share: float,
    limit: int | None,
    teacher: TeacherOptions,
    rival: RivalOptions,
    judge: JudgeOptions,
    limits: LimitOptions,
) -> None:
    """Find out whether training helped: a judge compares a tuned model's answers with others.

    --base-url is the tuned model's server. It is asked the held-out questions. Its answers are
    compared with those of --against, or with the run's own samples, each pair in both orders. Train
    on `sdgkit export RUN --test-share 0.1`, or on the train split of `--format datasets`: questions
    that the model was trained on prove nothing.

    Example:
      sdgkit evaluate runs/seeds --base-url http://localhost:8001/v1 --against
      http://localhost:8000/v1
    """
    from sdgkit.evaluation import students
    from sdgkit.teachers import connect

    student_arguments = teacher.typed()
    with ExitStack() as connections:
        student = connections.enter_context(connect(**student_arguments, **limits.typed()))
        other = None
        if rival:
            rival_arguments = beside(student_arguments, rival.against, rival.against_model)
            other = connections.enter_context(connect(**rival_arguments, **limits.typed()))
        referee = connections.enter_context(connect(**_judge_of(run, judge), **limits.typed()))
        evaluation = students.evaluate(
            run, student, judge=referee, against=other, test_share=test_share, limit=limit
        )
        say(evaluation)
        page = f"{run.out}/{students.FOLDER}/{students.page_name(student.model)}"
        say(f"Side by side: {page}")
        print_document("evaluate", evaluate_document(run, evaluation, page))
        _print_rehearsal_notice([student, other, referee])


def _print_rehearsal_notice(models: Iterable["Teacher | None"]) -> None:
    if any(model is not None and model.is_rehearsal for model in models):
        say(REHEARSAL_ANSWERS)


def _judge_of(run: "Run", judge: JudgeOptions) -> dict[str, Any]:
    """The arguments of `connect` for a run's own judge, or for the one that you name.

    Raises:
        SettingsError: No address is known; a run's folder holds none.
    """
    from sdgkit.run.folder import read_config

    config = read_config(Path(run.out or ""))
    if config.teacher == "rehearsal" and not judge:
        return {"kind": "rehearsal"}
    recorded = {"model": config.judge or config.model}
    arguments = recorded | judge.connect_arguments({})
    has_address = (
        bool(judge.judge_base_url)
        or bool(os.environ.get("SDGKIT_BASE_URL"))
        or Path("sdgkit.toml").exists()
    )
    if not has_address:
        raise SettingsError(
            f"The judge {arguments['model']} has no address. Give --judge-base-url URL, or set "
            "SDGKIT_BASE_URL.",
            setting="judge_base_url",
        )
    return arguments
